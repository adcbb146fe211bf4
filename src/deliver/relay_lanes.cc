// SPDX-License-Identifier: Apache-2.0
// One sink of the relay: what it is given next, and what follows from a try.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

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
  if (delayed(lane) || past_deadline())
    return false;
  const bool more = send_stored(lane);
  if (!more && !delayed(lane))
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
    count_stored(lane, alert);
    lane.cursor = alert.alert_id;
  }
  if (*lane.cursor != before)
    post_position_({std::string(lane.sink->name()), *lane.cursor, database_});
  return goes_on;
}

void Relay::send_unstored_to(Lane& lane) {
  while (!past_deadline()) {
    const auto alert = next_unstored(lane);
    if (!alert || !attempt(lane, *alert))
      return;
    const std::lock_guard lock(mutex_);
    const uint64_t number = lane.unstored++;
    // Unless it was dropped meanwhile, because another sink had taken it.
    if (number >= first_unstored_ &&
        !std::exchange(unstored_.at(number - first_unstored_).taken, true))
      metrics_.add(Metric::kAlertsSent);
  }
}

// Null: there is none.
std::shared_ptr<const Alert> Relay::next_unstored(Lane& lane) {
  const std::lock_guard lock(mutex_);
  lane.unstored = std::max(lane.unstored, first_unstored_);
  const size_t index = lane.unstored - first_unstored_;
  return index < unstored_.size() ? unstored_.at(index).alert : nullptr;
}

bool Relay::attempt(Lane& lane, const Alert& alert) {
  pulse_.beat();
  const Status status = lane.sink->deliver(alert);
  if (!status && !is_poison(status.error())) {
    failed(lane, status.error());
    return false;
  }
  if (!status) {
    metrics_.add(Metric::kDeliveryErrors);
    log_limited(LogLevel::kError, "poison",
                fmt::format("alert {} can never be delivered to {}: {}; it is "
                            "not tried again and stays in the database",
                            alert.alert_id, lane.sink->name(),
                            status.error().message()));
    return true;
  }
  if (lane.delay_ms != 0)
    log_info(fmt::format(
        "alerts are delivered to {} again, after {} failed attempts",
        lane.sink->name(), lane.failures));
  lane.delay_ms = 0;
  lane.failures = 0;
  return true;
}

void Relay::failed(Lane& lane, const Error& error) {
  metrics_.add(Metric::kDeliveryErrors);
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

// Counts an alert as sent when the last sink takes it, and its latency when the
// first does.
void Relay::count_stored(const Lane& lane, const Alert& alert) {
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
      alert.event->origin != Origin::kExec)
    return;
  const int64_t micros = clock_.wall_us() - alert.event->time_us;
  metrics_.observe_latency(static_cast<double>(std::max<int64_t>(micros, 0)) /
                           kMicrosPerSecond);
}

bool Relay::delayed(const Lane& lane) const {
  return lane.delay_ms != 0 && clock_.monotonic_ns() < lane.retry_at_ns;
}

}  // namespace preload
