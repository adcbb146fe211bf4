// SPDX-License-Identifier: Apache-2.0
#include "preload/store/outage.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

namespace preload {
namespace {

void add_to(std::vector<CoverageDelta>& days, const CoverageDelta& delta) {
  for (CoverageDelta& day : days) {
    if (day.day != delta.day)
      continue;
    day.captured_at_exec += delta.captured_at_exec;
    day.captured_late += delta.captured_late;
    day.unaudited += delta.unaudited;
    for (size_t i = 0; i < day.missed.size(); ++i)
      day.missed[i] += delta.missed[i];
    return;
  }
  days.push_back(delta);
}

}  // namespace

Result<std::optional<int64_t>> Outage::last_counted(const Digest& term) {
  if (const auto found = alerted_.find(term); found != alerted_.end())
    return std::optional(found->second);
  auto stored = store_->terms().last_counted(term);
  return stored ? *stored : std::nullopt;
}

bool Outage::add_alerted(const Digest& term, int64_t time_us) {
  if (alerted_.size() >= kMaxTerms)
    return false;
  alerted_[term] = time_us;
  return true;
}

bool Outage::merge(const HistoryItem& item) {
  if (const auto* position = std::get_if<SinkPosition>(&item))
    for (HistoryItem& waiting : items_)
      if (auto* same = std::get_if<SinkPosition>(&waiting);
          same != nullptr && same->name == position->name &&
          same->database == position->database) {
        same->alert_id = std::max(same->alert_id, position->alert_id);
        return true;
      }
  if (const auto* coverage = std::get_if<CoverageDeltas>(&item))
    for (HistoryItem& waiting : items_)
      if (auto* same = std::get_if<CoverageDeltas>(&waiting)) {
        for (const CoverageDelta& delta : coverage->deltas)
          add_to(same->deltas, delta);
        return true;
      }
  return false;
}

void Outage::add(HistoryItem item) {
  if (merge(item))
    return;
  const size_t bytes = weight(item);
  const bool missed = std::holds_alternative<MissedExec>(item);
  if (!is_control(item) &&
      bytes_ + bytes > (missed ? kMaxBytes / 2 : kMaxBytes)) {
    metrics_.add(missed ? Metric::kMissedNotListed : Metric::kEventsDropped);
    return;
  }
  bytes_ += bytes;
  items_.push_back(std::move(item));
  metrics_.set(Metric::kHistoryHeld, items_.size());
}

std::span<HistoryItem> Outage::first(size_t most) {
  return std::span(items_).first(std::min(most, items_.size()));
}

void Outage::remove_first(size_t count) {
  for (const HistoryItem& item : first(count))
    bytes_ -= weight(item);
  items_.erase(items_.begin(),
               std::next(items_.begin(), static_cast<std::ptrdiff_t>(count)));
  metrics_.set(Metric::kHistoryHeld, items_.size());
}

}  // namespace preload
