// SPDX-License-Identifier: Apache-2.0
#include "preload/store/store_queue.h"

#include <utility>

#include "preload/base/log.h"
#include "preload/detect/quotas.h"

namespace preload {
namespace {

const ExecEvent* event_in(const HistoryItem& item) {
  if (const auto* exec = std::get_if<NewExec>(&item))
    return exec->event.get();
  if (const auto* exec = std::get_if<MissedExec>(&item))
    return exec->event.get();
  return nullptr;
}

// Whose quota an exec takes; nothing for control items.
std::optional<uint64_t> owner(const HistoryItem& item) {
  const ExecEvent* event = event_in(item);
  if (event == nullptr)
    return std::nullopt;
  const QuotaOwner owner = quota_owner_of(*event);
  return (uint64_t{owner.containers} << 32) | owner.uid;
}

}  // namespace

size_t weight(const HistoryItem& item) {
  size_t bytes = sizeof(HistoryItem);
  if (const ExecEvent* event = event_in(item))
    bytes += weight(*event);
  const auto* exec = std::get_if<NewExec>(&item);
  if (exec != nullptr && exec->decided)
    for (const Decision& decision : *exec->decided)
      bytes += sizeof decision + decision.term.value.size();
  return bytes;
}

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
    large_ = true;  // after the push, so that none is overlooked
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
