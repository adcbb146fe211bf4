// SPDX-License-Identifier: Apache-2.0
// Facts that need look-ups of paths or names, which may block for minutes on a
// dead file or directory server: found on a thread of their own, and waited
// for only so long.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "preload/base/clock.h"
#include "preload/detect/alert.h"

namespace preload {

// What was found out for one alert.
struct LookedUp {
  AlertFacts facts;
  std::string user;        // name of event.uid
  std::string login_user;  // name of event.auid
};

// One worker at a time. When it has been stuck for longer than the deadline,
// another takes over, up to kMaxWorkers; with all of them stuck nothing is
// inspected until one comes back.
class Enricher {
 public:
  // Within what an alert may take (DESIGN.md: a fraction of a second).
  static constexpr int64_t kDeadlineNs = 250 * kNanosPerMilli;
  static constexpr size_t kMaxWorkers = 4;
  // Alerts that wait; more are sent without facts.
  static constexpr size_t kMaxQueued = 1024;
  // Names remembered, for an hour each.
  static constexpr size_t kMaxNames = 4096;

  Enricher();
  Enricher(const Enricher&) = delete;
  Enricher& operator=(const Enricher&) = delete;
  // A worker that is stuck is left behind.
  ~Enricher();

  // Begins to look at what an alert that has an id names. Any thread; never
  // blocks.
  void submit(const Alert& alert);

  // The alert will not be sent after all.
  void forget(int64_t alert_id);

  // What was found for alert `alert_id`, waited for until kDeadlineNs after its
  // submit(). Nothing when it was not submitted or took too long.
  [[nodiscard]] std::optional<LookedUp> finish(int64_t alert_id);

  // The name of a user if it is known already. Otherwise it is looked up, for
  // the next time. Any thread; never blocks.
  [[nodiscard]] std::string name_if_known(uint32_t uid);
  // Look-ups that no thread has begun.
  [[nodiscard]] size_t queued() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace preload
