// SPDX-License-Identifier: Apache-2.0
#include "preload/store/exec_lists.h"

#include <algorithm>
#include <string_view>

#include "preload/base/text.h"
#include "preload/sql.h"

namespace preload {
namespace {

std::string short_form(std::string_view bytes) {
  const std::string text = escaped(bytes);
  return std::string(escaped_prefix(text, ExecLists::kTextBytes));
}

}  // namespace

void ExecLists::Waiting::add(const ExecEvent& event, int64_t term_id) {
  Row& row = rows.emplace_back();
  row.term_id = term_id;
  row.at_us = event.time_us;
  row.pid = event.pid;
  row.uid = event.uid;
  row.reason = event.missed;
  row.executable = short_form(event.executable);
  row.args = short_form(command_line(event.argv));
  if (event.audit.serial != 0)
    row.audit_id = to_string(event.audit);
  if (rows.size() > kWaiting)
    rows.pop_front();
  open = std::min(open + 1, rows.size());
}

void ExecLists::Waiting::rollback() {
  rows.resize(rows.size() - open);
  open = 0;
}

Status ExecLists::write(Database& database) const {
  Status done;
  for (const Row& row : missed_.rows)
    if (done)
      done = database.run(sql::statements_missed_add, row.at_us,
                          to_string(row.reason), row.executable, row.args,
                          row.pid, row.uid, row.audit_id);
  for (const Row& row : unaudited_.rows)
    if (done)
      done = database.run(sql::statements_unaudited_add, row.term_id, row.at_us,
                          row.pid, row.executable, row.args, row.uid);
  if (done && !missed_.rows.empty())
    done = database.run(sql::statements_missed_trim, kKept);
  if (done && !unaudited_.rows.empty())
    done = database.run(sql::statements_unaudited_trim, kKept);
  return done;
}

}  // namespace preload
