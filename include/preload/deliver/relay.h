// SPDX-License-Identifier: Apache-2.0
// Carries alerts from the outbox to the sinks, in order, at least once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/metrics.h"
#include "preload/base/thread.h"
#include "preload/base/watchdog.h"
#include "preload/deliver/distributor.h"
#include "preload/deliver/sink.h"

namespace preload {

// Owns the relay thread. An alert goes to every sink; one that fails holds up
// this and the later alerts for itself only, and is tried again after 1 s,
// doubling to 30 s. When every sink has taken an alert, its id is
// acknowledged. After a crash an alert may be sent again, with the same id.
//
// The offering thread keeps a cursor into the outbox and, whenever it has
// committed alerts and whenever Acknowledge is called, does this:
//
//   if (auto after = relay.take_rewind()) cursor = min(cursor, *after);
//   for (each alert pending after cursor, in order of id)
//     if (!relay.try_send(alert)) break; else cursor = alert.alert_id;
class Relay {
 public:
  using Sinks = Distributor::Sinks;
  // Called on the relay's thread with the ids that every sink has taken; with
  // none when only the offering is to go on: there is room again, or a rewind.
  using Acknowledge = std::function<void(std::span<const int64_t> alert_ids)>;

  // Called on the relay's thread before an alert is offered to its first sink:
  // adds what others have found out meanwhile. May block a little.
  using Prepare = std::function<void(Alert& alert)>;

  Relay(Sinks sinks, Acknowledge acknowledge, Metrics& metrics,
        const Clock& clock, Backoff backoff = {}, Prepare prepare = {},
        ThreadFailed failed = {});
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();  // stop(0)

  // Any thread, never blocks. False when the queue (1024 alerts, 8 MiB) is
  // full, or a rewind is to be taken first: the outbox still has the alert.
  // Alerts without an id are nowhere else; they are refused only by a full
  // queue.
  [[nodiscard]] bool try_send(Alert alert);
  // A sink that had been out of order for long works again, or the sinks
  // changed: everything pending after this id is to be offered again. Until
  // this is taken, try_send() refuses what has an id.
  [[nodiscard]] std::optional<int64_t> take_rewind();
  // Best effort; a full queue (1024 events, 8 MiB) drops and counts.
  void send_event(ExecEvent event);
  // The sinks open their files again.
  void reopen();
  // Other sinks from now on (a reload); what is queued goes to them. A sink
  // whose name was there before goes on where that one was.
  void set_sinks(Sinks sinks);

  // Tries for up to `milliseconds` to send what is queued, then ends the
  // thread. An attempt that blocks (two seconds at most for syslog) is not cut
  // short. Unsent alerts stay pending in the outbox.
  void stop(int64_t milliseconds);

  // Beats every second and with every attempt at a sink, which may block
  // for as long as the sink's file system does.
  [[nodiscard]] const Pulse& pulse() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace preload
