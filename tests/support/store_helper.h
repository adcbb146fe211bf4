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
#include "preload/store/event_json.h"
#include "preload/store/outbox.h"
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
  Cursor row = database.query(sql);
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

// What `body` gives, done in the open transaction or in one of its own.
template <class Body>
auto transact(Store& store, Body&& body) {
  const bool own = store.begin().has_value();
  auto result = must(body());
  if (own)
    must(store.commit());
  return result;
}

// One event with one decision.
inline std::vector<Alert> record(Store& store, const ExecEvent& event,
                                 Verdict verdict) {
  const Decision made = decision(event.env.at(0).value, verdict);
  return transact(store, [&] {
    return store.record(shared(event), {&made, 1}, kMark);
  });
}

inline void record_missed(Store& store, const ExecEvent& event) {
  transact(store, [&]() -> Result<bool> {
    return store.record_missed(event).map([] { return true; });
  });
}

// The one output of these tests.
inline const std::vector<std::string> kSinks{"syslog"};

// It has taken all alerts up to this one.
inline void take_up_to(Store& store, int64_t alert_id) {
  must(store.set_position(kSinks[0], alert_id));
}

// What the relay reads when no look-up is under way.
inline std::vector<Alert> queued(Store& store, const std::string& path,
                                 int64_t after = 0, size_t limit = 1000) {
  for (const auto& row :
       rows(path, "SELECT alert_id FROM alert WHERE ready = 0"))
    must(store.set_ready(std::stoll(row[0]), nullptr));
  return must(must(OutboxReader::open(path))->read(after, limit));
}

inline std::vector<std::string> column_names(Database& database,
                                             const std::string& view) {
  std::vector<std::string> names;
  for (const auto& row :
       rows(database, "SELECT name FROM pragma_table_info('" + view + "')"))
    names.push_back(row[0]);
  return names;
}

}  // namespace preload
