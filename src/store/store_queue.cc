// SPDX-License-Identifier: Apache-2.0
#include "preload/store/store_queue.h"

#include <future>
#include <memory>
#include <utility>

#include "preload/base/log.h"

namespace preload {

void StoreQueue::post(HistoryItem item) {
  const size_t bytes = weight(item);
  if (is_control(item)) {
    queue_.push(std::move(item), bytes);
    return;
  }
  if (std::holds_alternative<MissedExec>(item) && queue_.half_full()) {
    metrics_.add(Metric::kMissedNotListed);
    return;
  }
  const auto user = owner(item);
  // Few can be as large as that, and they leave room for the others.
  const bool large = bytes > kLargeItem;
  if ((large && queue_.half_full()) ||
      !queue_.try_push(std::move(item), bytes, user)) {
    metrics_.add(Metric::kEventsDropped);
    log_limited(LogLevel::kWarning, "store-queue-full",
                "the store queue is full, events are dropped: the database "
                "does not keep up; look at its disk, and at --check");
  } else if (large) {
    large_ = true;  // afterwards, so that none is overlooked
  }
}

void StoreQueue::settle(int64_t milliseconds) {
  auto reached = std::make_shared<std::promise<void>>();
  auto future = reached->get_future();
  post(Barrier{std::move(reached)});
  future.wait_for(std::chrono::milliseconds(milliseconds));
}

std::vector<HistoryItem> StoreQueue::pop_all(
    std::chrono::milliseconds timeout) {
  std::vector<HistoryItem> items = queue_.pop_all(timeout);
  metrics_.set(Metric::kStoreQueue, items.size());
  metrics_.set(Metric::kStoreQueueHighWater, queue_.high_water());
  return items;
}

}  // namespace preload
