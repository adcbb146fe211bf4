// SPDX-License-Identifier: Apache-2.0
#include "preload/store/history_reader.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "preload/base/text.h"
#include "preload/sql.h"
#include "preload/store/history_file.h"

namespace preload {

Result<HistoryReader> HistoryReader::open(const std::string& path) {
  // SQLite's own message is the same for both.
  if (::access(path.c_str(), R_OK) != 0)
    return fail(errno == ENOENT
                    ? path +
                          " is not there yet: the plugin creates it when "
                          "it starts"
                    : "cannot read " + path,
                errno);
  auto database = Database::open(path, Database::Access::kReadOnly);
  if (!database)
    return tl::unexpected(database.error());
  const Result<int64_t> id = (*database)->integer("PRAGMA application_id");
  if (!id)
    return tl::unexpected(id.error());
  if (*id != kApplicationId)
    return fail(path + " is not a database of audisp-preload");
  return HistoryReader(std::move(*database));
}

Result<int64_t> HistoryReader::schema_version() {
  return database_->integer("PRAGMA user_version");
}

Result<int64_t> HistoryReader::term_count() {
  return database_->integer(sql::statements_term_total);
}

Result<PendingAlerts> HistoryReader::pending_alerts() {
  PendingAlerts pending;
  return database_
      ->each_row(sql::statements_alerts_pending,
                 [&](const Cursor& row) {
                   pending = {row.integer(0), row.integer(1)};
                 })
      .map([&] { return pending; });
}

Result<std::vector<ExceptionHits>> HistoryReader::exception_hits() {
  std::vector<ExceptionHits> hits;
  const auto take = [&](const Cursor& row) {
    hits.push_back({unescaped(row.text(0)).value_or(std::string(row.text(0))),
                    row.integer(1), row.integer(2)});
  };
  return database_->each_row(sql::statements_exception_list, take).map([&] {
    return std::move(hits);
  });
}

Result<int64_t> HistoryReader::last_term_id() {
  return database_->integer("SELECT coalesce(max(term_id), 0) FROM term");
}

Result<std::optional<StoredTerm>> HistoryReader::find_new_term(
    int64_t after, std::string_view variable, std::string_view value) {
  std::optional<StoredTerm> term;
  const auto take = [&](const Cursor& row) {
    const auto text = [&](int column) { return std::string(row.text(column)); };
    term = StoredTerm{row.integer(0), text(1), text(2), row.integer(3),
                      text(4),        text(5), text(6)};
  };
  return database_
      ->each_row(sql::statements_term_named, take, after, escaped(variable),
                 escaped(value))
      .map([&] { return term; });
}

Status HistoryReader::check_integrity() {
  return check_content(*database_);
}

}  // namespace preload
