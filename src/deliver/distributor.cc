// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/distributor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "preload/base/log.h"

namespace preload {
namespace {

// No later attempt can succeed.
bool is_poison(const Error& error) {
  return error.code == std::errc::message_size ||
         error.code == std::errc::invalid_argument;
}

}  // namespace

size_t weight(const Alert& alert) {
  size_t bytes = sizeof alert + weight(alert.event) + alert.summary.size() +
                 alert.term.variable.size() + alert.term.value.size();
  for (const std::string& part : alert.term.context)
    bytes += part.size();
  for (const LibraryFact& library : alert.facts.libraries)
    bytes += sizeof library + library.named.size() + library.path.size();
  return bytes;
}

Distributor::Distributor(Sinks sinks, Metrics& metrics, const Clock& clock,
                         Backoff backoff)
    : metrics_(metrics), clock_(clock), backoff_(backoff) {
  set_sinks(std::move(sinks));
}

void Distributor::add(Alert alert) {
  Entry entry;
  entry.bytes = weight(alert);
  entry.alert = std::move(alert);
  bytes_ += entry.bytes;
  window_.push_back(std::move(entry));
}

void Distributor::run() {
  for (Line& line : lines_) {
    if (line.stalled)
      run_stalled(line);
    else
      run_line(line);
  }
  release_taken();
}

void Distributor::run_line(Line& line) {
  line.next = std::max(line.next, begin_);
  while (line.next < end() && !past_deadline()) {
    Entry& entry = window_[static_cast<size_t>(line.next - begin_)];
    if (!skips(line, entry.alert)) {
      if (waiting(line) || !attempt(line, entry.alert))
        return;
      observe(entry);
      // One that is not stored does not come again.
      if (entry.alert.alert_id != 0)
        line.last = {entry.alert.alert_id, entry.alert.raised_at_us};
    }
    ++line.next;
  }
}

void Distributor::run_stalled(Line& line) {
  if (waiting(line) || past_deadline() || !attempt(line, *line.stalled))
    return;
  const std::unique_ptr<Alert> taken = std::move(line.stalled);
  line.last = {taken->alert_id, taken->raised_at_us};
  // It is pending still and comes again with the others; all skip it then, and
  // it is acknowledged.
  line.skip = line.last;
  rewind();
}

bool Distributor::attempt(Line& line, const Alert& alert) {
  pulse_.beat();
  const Status status = line.sink->deliver(alert);
  if (status) {
    worked(line);
    return true;
  }
  metrics_.add(Metric::kDeliveryErrors);
  if (is_poison(status.error())) {
    log_limited(LogLevel::kError, "poison",
                fmt::format("alert {} can never be delivered to {}: {}; it is "
                            "in the database",
                            alert.alert_id, line.sink->name(),
                            status.error().message()));
    return true;
  }
  failed(line, status.error());
  return false;
}

void Distributor::failed(Line& line, const Error& error) {
  ++line.failures;
  if (line.delay_ms == 0) {
    log_warning(fmt::format(
        "cannot deliver alerts to {}: {}; they wait in the database and are "
        "tried again every {} s or sooner",
        line.sink->name(), error.message(), backoff_.most_ms / 1000));
    line.delay_ms = backoff_.first_ms;
  } else {
    line.delay_ms = std::min(2 * line.delay_ms, backoff_.most_ms);
  }
  line.retry_at_ns = clock_.monotonic_ns() + line.delay_ms * kNanosPerMilli;
}

void Distributor::worked(Line& line) {
  if (line.delay_ms != 0)
    log_info(
        fmt::format("alerts are delivered to {} again, after {} failed "
                    "attempts",
                    line.sink->name(), line.failures));
  line.delay_ms = 0;
  line.retry_at_ns = 0;
  line.failures = 0;
}

bool Distributor::waiting(const Line& line) const {
  return line.delay_ms != 0 && clock_.monotonic_ns() < line.retry_at_ns;
}

bool Distributor::past_deadline() const {
  return clock_.monotonic_ns() >= deadline_ns_.load(std::memory_order_relaxed);
}

// Whether the line has taken it before a rewind.
bool Distributor::skips(Line& line, const Alert& alert) {
  if (line.skip.id == 0 || alert.alert_id == 0)
    return false;
  if (alert.alert_id <= line.skip.id &&
      alert.raised_at_us <= line.skip.raised_at_us)
    return true;
  line.skip = {};
  return false;
}

void Distributor::observe(Entry& entry) {
  const Alert& alert = entry.alert;
  const bool first = !std::exchange(entry.delivered, true);
  if (!first || alert.kind != AlertKind::kNewTerm ||
      alert.event.origin != Origin::kExec)
    return;
  const int64_t micros = clock_.wall_us() - alert.event.time_us;
  metrics_.observe_latency(static_cast<double>(std::max<int64_t>(micros, 0)) /
                           kMicrosPerSecond);
}

void Distributor::release_taken() {
  uint64_t taken = end();
  bool behind = false;
  for (const Line& line : lines_) {
    if (line.stalled)
      behind = true;
    else
      taken = std::min(taken, line.next);
  }
  for (; begin_ < taken; ++begin_) {
    const Entry& entry = window_.front();
    const int64_t id = entry.alert.alert_id;
    if (!behind) {
      metrics_.add(Metric::kAlertsSent);
      if (id != 0)
        acknowledged_.push_back(id);
    } else if (id == 0) {  // nowhere to have it from again
      metrics_.add(Metric::kAlertsSent);
      metrics_.add(Metric::kDeliveryErrors);
    } else if (!unacknowledged_ || id < *unacknowledged_) {
      unacknowledged_ = id;
    }
    bytes_ -= entry.bytes;
    window_.pop_front();
  }
}

void Distributor::leave_laggards_behind() {
  const bool any_done = std::any_of(
      lines_.begin(), lines_.end(),
      [&](const Line& line) { return !line.stalled && line.next >= end(); });
  if (!any_done)
    return;
  for (Line& line : lines_) {
    if (line.stalled || line.next >= end())
      continue;
    const Alert& lacks = window_[static_cast<size_t>(line.next - begin_)].alert;
    // Only what is in the outbox can be had again.
    if (lacks.alert_id == 0) {
      ++line.next;
      metrics_.add(Metric::kDeliveryErrors);
    } else if (line.delay_ms != 0) {
      line.stalled = std::make_unique<Alert>(lacks);
    }
  }
  release_taken();
}

void Distributor::rewind() {
  int64_t after = std::exchange(unacknowledged_, {}).value_or(INT64_MAX) - 1;
  // What the window holds comes again, in its place; what a line has taken of
  // it is skipped then.
  for (const Entry& entry : window_)
    if (entry.alert.alert_id != 0)
      after = std::min(after, entry.alert.alert_id - 1);
  for (Line& line : lines_)
    if (!line.stalled && line.last.id > line.skip.id)
      line.skip = line.last;
  std::deque<Entry> kept;
  uint64_t position = begin_;
  std::vector<uint64_t> next(lines_.size(), begin_);
  for (Entry& entry : window_) {
    const bool keep = entry.alert.alert_id == 0;
    for (size_t i = 0; keep && i < lines_.size(); ++i)
      if (lines_[i].next > position)
        ++next[i];
    if (keep)
      kept.push_back(std::move(entry));
    else
      bytes_ -= entry.bytes;
    ++position;
  }
  window_ = std::move(kept);
  for (size_t i = 0; i < lines_.size(); ++i)
    lines_[i].next = next[i];
  rewind_ = std::min(rewind_.value_or(after), after);
}

void Distributor::deliver_event(const ExecEvent& event) {
  for (Line& line : lines_) {
    if (line.delay_ms != 0)
      continue;
    pulse_.beat();
    const Status status = line.sink->deliver_event(event);
    if (status)
      continue;
    metrics_.add(Metric::kDeliveryErrors);
    log_limited(LogLevel::kWarning, "event",
                fmt::format("an exec was not written to {}: {}",
                            line.sink->name(), status.error().message()));
  }
}

std::vector<int64_t> Distributor::take_acknowledged() {
  return std::exchange(acknowledged_, {});
}

std::optional<int64_t> Distributor::take_rewind() {
  return std::exchange(rewind_, std::nullopt);
}

std::optional<int64_t> Distributor::wait_ns() const {
  const int64_t now = clock_.monotonic_ns();
  int64_t until = deadline_ns_.load(std::memory_order_relaxed);
  for (const Line& line : lines_)
    if (line.stalled || line.next < end())
      until = std::min(until, line.delay_ms == 0 ? now : line.retry_at_ns);
  if (until == INT64_MAX)
    return std::nullopt;
  return std::max<int64_t>(until - now, 0);
}

void Distributor::reopen() {
  for (Line& line : lines_)
    line.sink->reopen();
  retry_now();
}

void Distributor::retry_now() {
  for (Line& line : lines_)
    line.retry_at_ns = 0;
}

void Distributor::set_sinks(Sinks sinks) {
  std::vector<Line> old = std::exchange(lines_, {});
  for (std::unique_ptr<Sink>& sink : sinks) {
    const auto same =
        std::find_if(old.begin(), old.end(), [&](const Line& line) {
          return line.sink && line.sink->name() == sink->name();
        });
    Line line;
    line.next = begin_;
    if (same != old.end())
      line = std::move(*same);
    line.sink = std::move(sink);
    line.retry_at_ns = 0;
    lines_.push_back(std::move(line));
  }
  // What a sink that is gone lacked waits for nobody now.
  for (const Line& line : old)
    if (line.sink && line.stalled)
      rewind();
  release_taken();
}

bool Distributor::idle() const {
  return window_.empty() &&
         std::none_of(lines_.begin(), lines_.end(),
                      [](const Line& line) { return line.stalled != nullptr; });
}

}  // namespace preload
