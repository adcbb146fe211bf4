// SPDX-License-Identifier: Apache-2.0
// Alerts that are committed and wait for the enricher's answer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "preload/base/clock.h"
#include "preload/detect/alert.h"

namespace preload {

// The store thread's. An alert waits until kFactsDeadlineNs after its commit;
// then it becomes ready without facts, so that a look-up that hangs delays
// neither it nor the alerts after it.
class FactsWait {
 public:
  explicit FactsWait(const Clock& clock) : clock_(clock) {}

  // `expected`: an answer will come; otherwise the wait is over at once.
  void add(const Alert& alert, bool expected) {
    waiting_[alert.alert_id] = {
        alert.raised_at_us,
        clock_.monotonic_ns() + (expected ? kFactsDeadlineNs : 0)};
  }
  void remove(int64_t alert_id) { waiting_.erase(alert_id); }
  // For a new database, whose ids start again.
  void clear() { waiting_.clear(); }

  [[nodiscard]] bool empty() const { return waiting_.empty(); }
  // False for an answer that comes too late.
  [[nodiscard]] bool contains(int64_t alert_id, int64_t raised_at_us) const {
    const auto found = waiting_.find(alert_id);
    return found != waiting_.end() &&
           found->second.raised_at_us == raised_at_us;
  }
  // Alerts whose time is over.
  [[nodiscard]] std::vector<int64_t> expired() const {
    std::vector<int64_t> ids;
    for (const auto& [id, wait] : waiting_)
      if (wait.deadline_ns <= clock_.monotonic_ns())
        ids.push_back(id);
    return ids;
  }
  // Nanoseconds until the first expires; nothing when none waits.
  [[nodiscard]] std::optional<int64_t> next_ns() const {
    if (empty())
      return std::nullopt;
    const auto first = std::min_element(
        waiting_.begin(), waiting_.end(), [](const auto& a, const auto& b) {
          return a.second.deadline_ns < b.second.deadline_ns;
        });
    return first->second.deadline_ns - clock_.monotonic_ns();
  }

 private:
  struct Wait {
    int64_t raised_at_us = 0;
    int64_t deadline_ns = 0;
  };

  const Clock& clock_;
  std::map<int64_t, Wait> waiting_;  // by alert
};

}  // namespace preload
