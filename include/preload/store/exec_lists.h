// SPDX-License-Identifier: Apache-2.0
// Tables `missed_exec` and `unaudited_exec`: the latest of each, for analysts.
// What counts them all is `coverage`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "preload/base/result.h"
#include "preload/correlate/exec_event.h"
#include "preload/store/sqlite.h"

namespace preload {

// Part of the store, on its thread. Rows wait in memory for write(), so that a
// machine on a lower rung writes now and then and not for each exec; of more
// than kWaiting the oldest are dropped.
class ExecLists {
 public:
  static constexpr int64_t kKept = 10'000;  // rows of each table
  static constexpr size_t kWaiting = 1000;  // rows of each kind
  static constexpr size_t kTextBytes = 1024;

  void add_missed(const ExecEvent& event) { missed_.add(event, 0); }
  void add_unaudited(int64_t term_id, const ExecEvent& event) {
    unaudited_.add(event, term_id);
  }

  // As Terms: what is added in a transaction, and what waits for write().
  void commit() { missed_.open = unaudited_.open = 0; }
  void rollback() {
    missed_.rollback();
    unaudited_.rollback();
  }
  [[nodiscard]] bool empty() const {
    return missed_.rows.empty() && unaudited_.rows.empty();
  }
  Status write(Database& database) const;
  void clear() { missed_ = unaudited_ = {}; }

 private:
  struct Row {
    int64_t term_id = 0;  // unaudited
    int64_t at_us = 0;
    int32_t pid = 0;
    uint32_t uid = 0;
    MissReason reason = MissReason::kExited;  // missed
    std::string executable;
    std::string args;
    std::optional<std::string> audit_id;
  };
  struct Waiting {
    std::deque<Row> rows;
    size_t open = 0;  // at the end: of the open transaction

    void add(const ExecEvent& event, int64_t term_id);
    void rollback();
  };

  Waiting missed_;
  Waiting unaudited_;
};

}  // namespace preload
