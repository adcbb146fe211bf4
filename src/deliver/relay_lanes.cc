// SPDX-License-Identifier: Apache-2.0
// One sink of the relay: what it is given next, and what follows from a try.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>

#include "preload/base/log.h"
#include "preload/deliver/relay.h"

namespace preload {
namespace {

// Rows that one sink gets before the others have their turn.
constexpr size_t kBatchRows = 256;

// No later attempt can succeed.
bool is_poison(const Error& error) {
  return error.code == std::errc::message_size ||
         error.code == std::errc::invalid_argument;
}

}  // namespace

bool Relay::run_lane(Lane& lane) {
  if (waiting(lane) || past_deadline())
    return false;
  const bool more = send_stored(lane);
  if (!more && !waiting(lane))
    send_unstored_to(lane);
  return more;
}

bool Relay::send_stored(Lane& lane) {
  if (!lane.cursor || !lane.more || !open_reader())
    return false;
  const auto alerts = reader_->read(*lane.cursor, kBatchRows);
  if (!alerts) {
    reader_failed(alerts.error());
    return false;
  }
  lane.more = !alerts->empty();
  const int64_t before = *lane.cursor;
  bool goes_on = lane.more;
  for (const Alert& alert : *alerts) {
    if (past_deadline() || !attempt(lane, alert)) {
      goes_on = false;
      break;
    }
    taken(lane, alert);
    lane.cursor = alert.alert_id;
  }
  if (*lane.cursor != before)
    post_position_({std::string(lane.sink->name()), *lane.cursor, database_});
  return goes_on;
}

void Relay::send_unstored_to(Lane& lane) {
  while (!past_deadline()) {
    std::shared_ptr<const Alert> alert;
    {
      const std::lock_guard lock(mutex_);
      lane.unstored = std::max(lane.unstored, first_unstored_);
      const auto at = static_cast<size_t>(lane.unstored - first_unstored_);
      if (at >= unstored_.size())
        return;
      alert = unstored_[at].alert;
    }
    if (!attempt(lane, *alert))
      return;
    const std::lock_guard lock(mutex_);
    ++lane.unstored;
    if (lane.unstored > released_) {
      released_ = lane.unstored;
      metrics_.add(Metric::kAlertsSent);
    }
  }
}

bool Relay::attempt(Lane& lane, const Alert& alert) {
  pulse_.beat();
  const Status status = lane.sink->deliver(alert);
  if (status) {
    worked(lane);
    return true;
  }
  metrics_.add(Metric::kDeliveryErrors);
  if (is_poison(status.error())) {
    log_limited(LogLevel::kError, "poison",
                fmt::format("alert {} can never be delivered to {}: {}; it is "
                            "not tried again and stays in the database",
                            alert.alert_id, lane.sink->name(),
                            status.error().message()));
    return true;
  }
  failed(lane, status.error());
  return false;
}

void Relay::failed(Lane& lane, const Error& error) {
  ++lane.failures;
  if (lane.delay_ms == 0) {
    log_warning(fmt::format(
        "cannot deliver alerts to {}: {}; they wait in the database and are "
        "tried again every {} s or sooner",
        lane.sink->name(), error.message(), backoff_.most_ms / 1000));
    lane.delay_ms = backoff_.first_ms;
  } else {
    lane.delay_ms = std::min(2 * lane.delay_ms, backoff_.most_ms);
  }
  lane.retry_at_ns = clock_.monotonic_ns() + lane.delay_ms * kNanosPerMilli;
}

void Relay::worked(Lane& lane) {
  if (lane.delay_ms != 0)
    log_info(
        fmt::format("alerts are delivered to {} again, after {} failed "
                    "attempts",
                    lane.sink->name(), lane.failures));
  lane.delay_ms = 0;
  lane.retry_at_ns = 0;
  lane.failures = 0;
}

// Counts: sent when the last sink takes it, its latency when the first does.
void Relay::taken(const Lane& lane, const Alert& alert) {
  bool first = true;
  bool last = true;
  for (const Lane& other : lanes_) {
    if (&other == &lane || !other.cursor)
      continue;
    (*other.cursor >= alert.alert_id ? first : last) = false;
  }
  if (last)
    metrics_.add(Metric::kAlertsSent);
  if (!first || alert.kind != AlertKind::kNewTerm ||
      alert.event.origin != Origin::kExec)
    return;
  const int64_t micros = clock_.wall_us() - alert.event.time_us;
  metrics_.observe_latency(static_cast<double>(std::max<int64_t>(micros, 0)) /
                           kMicrosPerSecond);
}

bool Relay::waiting(const Lane& lane) const {
  return lane.delay_ms != 0 && clock_.monotonic_ns() < lane.retry_at_ns;
}

}  // namespace preload
