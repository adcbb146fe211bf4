// SPDX-License-Identifier: Apache-2.0
#include "preload/store/outage_history.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

namespace preload {

void HeldItems::add(HistoryItem item) {
  const size_t bytes = weight(item);
  const bool missed = std::holds_alternative<MissedExec>(item);
  if (bytes_ + bytes > (missed ? kMaxBytes / 2 : kMaxBytes)) {
    metrics_.add(missed ? Metric::kMissedNotListed : Metric::kEventsDropped);
    return;
  }
  bytes_ += bytes;
  items_.push_back(std::move(item));
  metrics_.set(Metric::kHistoryHeld, items_.size());
}

std::vector<HistoryItem> HeldItems::first(size_t most) const {
  const auto count = static_cast<std::ptrdiff_t>(std::min(most, items_.size()));
  return {items_.begin(), std::next(items_.begin(), count)};
}

void HeldItems::remove_first(size_t count) {
  const auto end =
      std::next(items_.begin(), static_cast<std::ptrdiff_t>(count));
  for (auto item = items_.begin(); item != end; ++item)
    bytes_ -= weight(*item);
  items_.erase(items_.begin(), end);
  metrics_.set(Metric::kHistoryHeld, items_.size());
}

}  // namespace preload
