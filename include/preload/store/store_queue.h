// SPDX-License-Identifier: Apache-2.0
// The store thread's queue, and who may take how much of it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "preload/base/bounded_queue.h"
#include "preload/base/metrics.h"
#include "preload/store/history_item.h"

namespace preload {

// Any number of producers, one consumer. A full queue (kItems, kBytes) drops an
// exec and counts it; control items always get in. Missed execs may take half
// of it: whoever makes thousands of them does not keep the others' events out.
// Nor does one who makes large ones: above kLargeItem an item is taken only
// while the queue is less than half full. The execs of one user may take three
// quarters of the bytes.
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
  [[nodiscard]] bool closed() const { return queue_.closed(); }

  // A large item was queued since the last call: memory can be given back.
  [[nodiscard]] bool take_large() { return large_.exchange(false); }

 private:
  Metrics& metrics_;
  BoundedQueue<HistoryItem> queue_{kItems, kBytes};
  std::atomic<bool> large_{false};
};

}  // namespace preload
