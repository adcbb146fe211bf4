// SPDX-License-Identifier: Apache-2.0
// Carries alerts from the outbox to the sinks, in order, at least once.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <variant>
#include <vector>

#include "preload/base/bounded_queue.h"
#include "preload/base/clock.h"
#include "preload/base/metrics.h"
#include "preload/deliver/sink.h"

namespace preload {

// Owns the relay thread. An alert goes to every sink; one that fails holds up
// this and the later alerts for itself only, and is tried again after 1 s,
// doubling to 30 s. When every sink has taken an alert, its id is
// acknowledged. After a crash an alert may be sent again, with the same id.
class Relay {
 public:
  // Called on the relay's thread with the ids that every sink has taken.
  using Acknowledge = std::function<void(std::span<const int64_t> alert_ids)>;

  Relay(std::vector<std::unique_ptr<Sink>> sinks, Acknowledge acknowledge,
        Metrics& metrics, const Clock& clock);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();  // stop(0)

  // Any thread, never blocks. False when the queue (1024 alerts, 8 MiB) is
  // full: the outbox still has the alert, offer it again after acknowledgements
  // have come.
  [[nodiscard]] bool try_send(Alert alert);
  // Best effort; a full queue drops and counts.
  void send_event(ExecEvent event);
  // The sinks open their files again.
  void reopen();
  // Other sinks from now on (a reload); what is queued goes to them.
  void set_sinks(std::vector<std::unique_ptr<Sink>> sinks);

  // Tries for up to `milliseconds` to send what is queued, then ends the
  // thread. Unsent alerts stay pending in the outbox.
  void stop(int64_t milliseconds);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace preload
