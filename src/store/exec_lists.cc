// SPDX-License-Identifier: Apache-2.0
#include "preload/store/exec_lists.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "preload/base/text.h"
#include "preload/sql.h"

namespace preload {
namespace {

std::string short_form(std::string_view bytes) {
  const std::string text = escaped(bytes);
  return std::string(escaped_prefix(text, ExecLists::kTextBytes));
}

}  // namespace

Status ExecLists::prepare() {
  return prepare_all(database_,
                     {{&missed_add_, sql::statements_missed_add},
                      {&missed_trim_, sql::statements_missed_trim},
                      {&unaudited_add_, sql::statements_unaudited_add},
                      {&unaudited_trim_, sql::statements_unaudited_trim}});
}

void ExecLists::Waiting::add(Row row) {
  rows.push_back(std::move(row));
  ++open;
  if (rows.size() <= kWaiting)
    return;
  rows.pop_front();
  if (written > 0)
    --written;
  open = std::min(open, rows.size());
}

void ExecLists::Waiting::commit() {
  rows.erase(rows.begin(),
             std::next(rows.begin(), static_cast<std::ptrdiff_t>(written)));
  open = written = 0;
}

void ExecLists::Waiting::rollback() {
  rows.resize(rows.size() - open);
  open = written = 0;
}

template <class Each>
Status ExecLists::Waiting::write(Each&& each) {
  for (size_t i = written; i < rows.size(); ++i)
    if (Status done = each(rows[i]); !done)
      return done;
  written = rows.size();
  return {};
}

ExecLists::Row ExecLists::row_of(const ExecEvent& event) {
  Row row;
  row.at_us = event.time_us;
  row.pid = event.pid;
  row.uid = event.uid;
  row.reason = event.missed;
  row.executable = short_form(event.executable);
  row.args = short_form(command_line(event.argv));
  if (event.audit.serial != 0)
    row.audit_id = to_string(event.audit);
  return row;
}

void ExecLists::add_missed(const ExecEvent& event) {
  missed_.add(row_of(event));
}

void ExecLists::add_unaudited(int64_t term_id, const ExecEvent& event) {
  Row row = row_of(event);
  row.term_id = term_id;
  unaudited_.add(std::move(row));
}

void ExecLists::commit() {
  missed_.commit();
  unaudited_.commit();
}

void ExecLists::rollback() {
  missed_.rollback();
  unaudited_.rollback();
}

bool ExecLists::idle() const {
  return missed_.rows.empty() && unaudited_.rows.empty();
}

Status ExecLists::write() {
  if (!missed_.rows.empty()) {
    Status done = missed_.write([this](const Row& row) -> Status {
      return missed_add_.run(row.at_us, to_string(row.reason), row.executable,
                             row.args, row.pid, row.uid, row.audit_id);
    });
    if (done)
      done = missed_trim_.run(kKept);
    if (!done)
      return done;
  }
  if (unaudited_.rows.empty())
    return {};
  Status done = unaudited_.write([this](const Row& row) -> Status {
    return unaudited_add_.run(row.term_id, row.at_us, row.pid, row.executable,
                              row.args, row.uid);
  });
  if (done)
    done = unaudited_trim_.run(kKept);
  return done;
}

}  // namespace preload
