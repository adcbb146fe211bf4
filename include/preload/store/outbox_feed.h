// SPDX-License-Identifier: Apache-2.0
// The way from the outbox to the relay.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "preload/base/watchdog.h"
#include "preload/detect/alert.h"
#include "preload/store/store.h"

namespace preload {

// Hands alerts to the relay in the order of their ids: those just committed at
// once, and from the outbox what it could not take, what an earlier run left,
// and what it wants again. The store thread's.
class OutboxFeed {
 public:
  // See Relay::try_send() and Relay::take_rewind().
  struct Outlet {
    std::function<bool(const Alert&)> send;
    std::function<std::optional<int64_t>()> take_rewind;
  };
  explicit OutboxFeed(Outlet outlet) : outlet_(std::move(outlet)) {}

  // What is not in the outbox (alert id 0). False when the relay is full.
  bool send(const Alert& alert) { return outlet_.send(alert); }
  // Just committed, with ascending ids.
  void hand_over(const std::vector<Alert>& alerts);
  // Hands over from the outbox as much as the relay takes. Beats `pulse`.
  void catch_up(Store& store, Pulse& pulse);
  // The outbox may have alerts that were not handed over.
  void fall_behind() { behind_ = true; }
  // Another database, whose ids begin anew.
  void start_over();

 private:
  Outlet outlet_;
  // Alerts up to this id have been handed to the relay; while `behind_`, later
  // ones are in the outbox and are read from there.
  int64_t handed_ = 0;
  bool behind_ = true;
};

}  // namespace preload
