// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/relay.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "preload/base/log.h"

namespace preload {
namespace {

// The watchdog expects a beat each second.
constexpr int64_t kLongestWaitNs = kNanosPerSecond;
// Rows that one sink gets before the others have their turn.
constexpr size_t kBatchRows = 256;

// No later attempt can succeed.
bool is_poison(const Error& error) {
  return error.code == std::errc::message_size ||
         error.code == std::errc::invalid_argument;
}

size_t weight(const Alert& alert) {
  return sizeof alert + (alert.event ? preload::weight(*alert.event) : 0) +
         alert.term.variable.size() + alert.term.value.size();
}

}  // namespace

Relay::Relay(std::string database, Sinks sinks, PostPosition post_position,
             Metrics& metrics, const Clock& clock, const Timing& timing)
    : path_(std::move(database)),
      post_position_(std::move(post_position)),
      metrics_(metrics),
      clock_(clock),
      timing_(timing) {
  use_sinks(std::move(sinks));
}

void Relay::start(ThreadFailed failed) {
  thread_ = start_thread(
      "relay", [this] { run(); }, std::move(failed));
}

// ---- Any thread

void Relay::notify() {
  woken_ = true;
  ready_.notify_one();
}

void Relay::count_queue() {
  const size_t size = unstored_.size() + events_.size();
  high_water_ = std::max(high_water_, size);
  metrics_.set(Metric::kRelayQueue, size);
  metrics_.set(Metric::kRelayQueueHighWater, high_water_);
}

void Relay::wake() {
  const std::lock_guard lock(mutex_);
  orders_.ready = true;
  notify();
}

void Relay::database_replaced(uint64_t number) {
  const std::lock_guard lock(mutex_);
  orders_.replaced = number;
  notify();
}

bool Relay::send_unstored(Alert alert) {
  const size_t bytes = weight(alert);
  const std::lock_guard lock(mutex_);
  if (closed_)
    return false;
  while (!unstored_.fits(bytes)) {
    if (!unstored_.at(0).taken)
      return false;
    metrics_.add(Metric::kDeliveryErrors);
    unstored_.pop();
    ++first_unstored_;
  }
  unstored_.push({std::make_shared<const Alert>(std::move(alert))}, bytes);
  count_queue();
  notify();
  return true;
}

void Relay::send_event(ExecEventPtr event) {
  const size_t bytes = preload::weight(*event);
  const std::lock_guard lock(mutex_);
  if (closed_ || !events_.fits(bytes)) {
    metrics_.add(Metric::kDeliveryErrors);
    return;
  }
  events_.push(std::move(event), bytes);
  count_queue();
  notify();
}

void Relay::reopen() {
  const std::lock_guard lock(mutex_);
  orders_.reopen = true;
  notify();
}

void Relay::set_sinks(Sinks sinks) {
  const std::lock_guard lock(mutex_);
  orders_.sinks = std::move(sinks);
  notify();
}

void Relay::stop(int64_t milliseconds) {
  if (!thread_.joinable())
    return;
  deadline_ns_ = clock_.monotonic_ns() + milliseconds * kNanosPerMilli;
  {
    const std::lock_guard lock(mutex_);
    closed_ = orders_.stop = true;
    notify();
  }
  thread_.join();
}

// ---- The relay's thread

void Relay::run() {
  bool stopping = false;
  while (!stopping || !(idle() || past_deadline())) {
    pulse_.beat();
    Orders orders = wait();
    stopping = stopping || orders.stop;
    obey(orders);
    for (bool more = true; more;) {
      more = false;
      for (Lane& lane : lanes_)
        more = run_lane(lane) || more;
    }
    release_unstored();
    if (orders.event && !past_deadline())
      deliver_event(*orders.event);
  }
  // The last connection to close, the writer's, copies the write-ahead log.
  reader_.reset();
}

Relay::Orders Relay::wait() {
  // A sink that failed is tried again when a multiple of its shortest delay has
  // passed.
  const int64_t wait_ns = std::min({kLongestWaitNs, timing_.sink_retry,
                                    deadline_ns_ - clock_.monotonic_ns()});
  std::unique_lock lock(mutex_);
  ready_.wait_for(lock, std::chrono::nanoseconds(wait_ns),
                  [this] { return woken_; });
  Orders orders = std::exchange(orders_, {});
  if (events_.size() > 0)
    orders.event = events_.pop();
  woken_ = events_.size() > 0;
  count_queue();
  return orders;
}

void Relay::obey(Orders& orders) {
  if (orders.sinks)
    use_sinks(std::move(*orders.sinks));
  for (Lane& lane : lanes_) {
    lane.more = lane.more || orders.ready || orders.stop;
    if (orders.reopen)
      lane.sink->reopen();
    if (orders.reopen || orders.stop)
      lane.retry_at_ns = 0;  // the next delay is still the double
    if (orders.replaced)
      lane.cursor.reset();
  }
  if (orders.replaced) {
    reader_.reset();
    read_again_ns_ = 0;
    database_ = *orders.replaced;
  }
  if (std::any_of(lanes_.begin(), lanes_.end(),
                  [](const Lane& lane) { return !lane.cursor; }))
    read_cursors();
}

void Relay::use_sinks(Sinks sinks) {
  std::vector<Lane> old = std::exchange(lanes_, {});
  const std::lock_guard lock(mutex_);
  for (std::unique_ptr<Sink>& sink : sinks) {
    Lane lane;
    lane.unstored = first_unstored_;
    for (Lane& before : old)
      if (before.sink && before.sink->name() == sink->name())
        lane = std::move(before);
    lane.sink = std::move(sink);
    lane.retry_at_ns = 0;
    lanes_.push_back(std::move(lane));
  }
}

bool Relay::open_reader() {
  if (reader_)
    return true;
  if (clock_.monotonic_ns() < read_again_ns_)
    return false;
  auto reader = OutboxReader::open(path_);
  if (!reader) {
    reader_failed(reader.error());
    return false;
  }
  reader_ = std::move(*reader);
  return true;
}

void Relay::reader_failed(const Error& error) {
  reader_.reset();
  read_again_ns_ = clock_.monotonic_ns() + kNanosPerSecond;
  log_limited(LogLevel::kError, "outbox",
              "cannot read pending alerts: " + error.message() +
                  "; they are sent when the database can be read");
}

void Relay::read_cursors() {
  if (!open_reader())
    return;
  const auto cursors = reader_->cursors();
  if (!cursors) {
    reader_failed(cursors.error());
    return;
  }
  for (Lane& lane : lanes_) {
    const auto found = cursors->find(std::string(lane.sink->name()));
    if (lane.cursor || found == cursors->end())
      continue;
    lane.cursor = found->second;
    lane.more = true;
  }
}

// Those that every sink has taken.
void Relay::release_unstored() {
  const std::lock_guard lock(mutex_);
  uint64_t taken = first_unstored_ + unstored_.size();
  for (const Lane& lane : lanes_)
    taken = std::min(taken, lane.unstored);
  for (; first_unstored_ < taken; ++first_unstored_)
    unstored_.pop();
  count_queue();
}

void Relay::deliver_event(const ExecEvent& event) {
  for (Lane& lane : lanes_) {
    if (lane.delay_ns != 0)
      continue;
    pulse_.beat();
    const Status status = lane.sink->deliver_event(event);
    if (status)
      continue;
    metrics_.add(Metric::kDeliveryErrors);
    log_limited(
        LogLevel::kWarning, "event",
        fmt::format("an exec was not written to {}: {}; its document is lost",
                    lane.sink->name(), status.error().message()));
  }
}

bool Relay::idle() {
  const std::lock_guard lock(mutex_);
  const uint64_t unstored = first_unstored_ + unstored_.size();
  return events_.size() == 0 &&
         std::none_of(lanes_.begin(), lanes_.end(), [&](const Lane& lane) {
           return (lane.cursor && lane.more) || lane.unstored < unstored;
         });
}

// ---- One sink: what it is given next, and what follows from a try

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
  std::unique_lock lock(mutex_);
  while (true) {
    lane.unstored = std::max(lane.unstored, first_unstored_);
    const size_t index = lane.unstored - first_unstored_;
    if (index >= unstored_.size())
      return;
    const auto alert = unstored_.at(index).alert;
    lock.unlock();
    if (past_deadline() || !attempt(lane, *alert))
      return;
    lock.lock();
    const uint64_t number = lane.unstored++;
    // Unless it was dropped meanwhile, because another sink had taken it.
    if (number >= first_unstored_ &&
        !std::exchange(unstored_.at(number - first_unstored_).taken, true))
      metrics_.add(Metric::kAlertsSent);
  }
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
  if (lane.delay_ns != 0)
    log_info(fmt::format(
        "alerts are delivered to {} again, after {} failed attempts",
        lane.sink->name(), lane.failures));
  lane.delay_ns = 0;
  lane.failures = 0;
  return true;
}

void Relay::failed(Lane& lane, const Error& error) {
  metrics_.add(Metric::kDeliveryErrors);
  ++lane.failures;
  if (lane.delay_ns == 0) {
    log_warning(fmt::format(
        "cannot deliver alerts to {}: {}; they wait in the database and are "
        "tried again every {} s or sooner",
        lane.sink->name(), error.message(),
        timing_.sink_retry_most / kNanosPerSecond));
    lane.delay_ns = timing_.sink_retry;
  } else {
    lane.delay_ns = std::min(2 * lane.delay_ns, timing_.sink_retry_most);
  }
  lane.retry_at_ns = clock_.monotonic_ns() + lane.delay_ns;
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

}  // namespace preload
