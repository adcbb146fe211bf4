// SPDX-License-Identifier: Apache-2.0
// What tests of the store ask again and again.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "events.h"
#include "fake_clock.h"
#include "preload/store/sqlite.h"
#include "preload/store/store.h"

namespace preload {

using Rows = std::vector<std::vector<std::string>>;

// The value of a result that a test cannot go on without.
template <class T>
T must(Result<T> result) {
  if (!result)
    throw std::runtime_error(result.error().message());
  if constexpr (!std::is_void_v<T>)
    return std::move(*result);
}

inline Rows rows(Database& database, std::string_view sql) {
  Rows all;
  Statement statement = must(database.prepare(sql));
  Cursor row = statement.query();
  while (must(row.next())) {
    std::vector<std::string>& columns = all.emplace_back();
    for (int i = 0; i < row.columns(); ++i)
      columns.emplace_back(row.is_null(i) ? "NULL" : row.text(i));
  }
  return all;
}

// Through a reader's connection of its own.
inline Rows rows(const std::string& path, std::string_view sql) {
  return rows(*must(Database::open(path, Database::Access::kReadOnly)), sql);
}

inline std::string value_of(const std::string& path, std::string_view sql) {
  const Rows all = rows(path, sql);
  return all.empty() ? "nothing" : all[0].at(0);
}

inline const AlertSeverity kMark{"low", 21};

// One event with one decision, in a transaction of its own.
inline std::vector<Alert> record(Store& store, const ExecEvent& event,
                                 Verdict verdict) {
  const Decision made = decision(event.env.at(0).value, verdict);
  return must(store.record(event, {&made, 1}, kMark));
}

inline std::vector<std::string> column_names(Database& database,
                                             const std::string& view) {
  Statement statement = must(database.prepare("SELECT * FROM " + view));
  const Cursor row = statement.query();
  std::vector<std::string> names;
  for (int i = 0; i < row.columns(); ++i)
    names.emplace_back(row.name(i));
  return names;
}

}  // namespace preload
