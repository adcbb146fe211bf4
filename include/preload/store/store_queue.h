// SPDX-License-Identifier: Apache-2.0
// The store thread's queue: what goes through it, and who may take how much of
// it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "preload/base/bounded_queue.h"
#include "preload/base/config.h"
#include "preload/base/metrics.h"
#include "preload/correlate/coverage.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/alert.h"
#include "preload/detect/new_terms.h"

namespace preload {

// What the store thread is given, in order.
struct NewExec {
  ExecEventPtr event;
  // Made once, before the first try to store it: each decision is charged to
  // its user and counted.
  std::optional<std::vector<Decision>> decided = {};
};
struct MissedExec {
  ExecEventPtr event;
};
struct CoverageDeltas {
  std::vector<CoverageDelta> deltas;
};
// A sink has taken all alerts up to this one.
struct SinkPosition {
  std::string name;
  int64_t alert_id = 0;
  uint64_t database = 0;  // see HistoryWriter::Outlet::replaced
};
// The enricher's answer about an alert.
struct Facts {
  int64_t alert_id = 0;
  int64_t raised_at_us = 0;  // of the alert: ids repeat in a new database
  AlertFacts facts;
  std::vector<std::pair<uint32_t, std::string>> names;  // of users
};
struct NewConfig {
  Config config;
  std::vector<std::string> sinks;  // their names
};
// The inventory is complete: it read `processes`.
struct InventoryDone {
  size_t processes = 0;
};
// Fulfilled when all that was posted before is stored and its alerts are ready.
struct Barrier {
  std::shared_ptr<std::promise<void>> reached;
};
using HistoryItem =
    std::variant<NewExec, MissedExec, CoverageDeltas, SinkPosition, Facts,
                 NewConfig, InventoryDone, Barrier>;

// Few and small, and never dropped: everything but execs.
[[nodiscard]] inline bool is_control(const HistoryItem& item) {
  return !std::holds_alternative<NewExec>(item) &&
         !std::holds_alternative<MissedExec>(item);
}

// About how much memory it takes. Bytes.
[[nodiscard]] size_t weight(const HistoryItem& item);

// Any number of producers, one consumer. A full queue (kItems, kBytes) drops an
// exec and counts it; control items always get in. So that no user keeps the
// execs of others out:
//
// * missed execs may take half of it;
// * an item above kLargeItem is taken only while it is less than half full;
// * the execs of one user may take three quarters of the bytes.
class StoreQueue {
 public:
  static constexpr size_t kItems = 16'384;
  static constexpr size_t kBytes = size_t{8} << 20;
  static constexpr size_t kLargeItem = kBytes / 16;

  explicit StoreQueue(Metrics& metrics) : metrics_(metrics) {}

  // Never blocks.
  void post(HistoryItem item);

  // Waits until what was posted before is stored and its alerts are ready, but
  // no longer than `milliseconds`.
  void settle(int64_t milliseconds);

  // The consumer's: all that is queued, waiting up to `timeout` for something.
  [[nodiscard]] std::vector<HistoryItem> pop_all(
      std::chrono::milliseconds timeout);

  // Nothing more gets in; the consumer no longer waits.
  void close() { queue_.close(); }

  // True when a large item was queued since the last call: memory can be
  // returned to the system.
  [[nodiscard]] bool take_large() { return large_.exchange(false); }

 private:
  Metrics& metrics_;
  BoundedQueue<HistoryItem> queue_{kItems, kBytes};
  std::atomic<bool> large_{false};
};

}  // namespace preload
