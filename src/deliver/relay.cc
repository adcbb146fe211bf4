// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/relay.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

namespace preload {
namespace {

constexpr size_t kMaxEntries = 1024;
constexpr size_t kMaxBytes = 8UL * 1024 * 1024;
// So many execs between two looks at the alerts, which go first.
constexpr size_t kEventsAtOnce = 64;
// For a sign of life.
constexpr int64_t kLongestWaitNs = kNanosPerSecond;

// An item heavier than the bound passes through an empty queue.
bool fits(size_t entries, size_t bytes, size_t more) {
  return entries == 0 || (entries < kMaxEntries && bytes + more <= kMaxBytes);
}

}  // namespace

// Any thread puts into `inbox_` under the mutex; the relay's thread takes all
// of it and works without the mutex. Only that thread touches `distributor_`
// (but for stop_at()); its size as others may know it is `held_*`.
class Relay::Impl {
 public:
  Impl(Sinks sinks, Acknowledge acknowledge, Metrics& metrics,
       const Clock& clock, Backoff backoff, Prepare prepare,
       ThreadFailed failed)
      : prepare_(std::move(prepare)),
        acknowledge_(std::move(acknowledge)),
        metrics_(metrics),
        clock_(clock),
        distributor_(std::move(sinks), metrics, clock, backoff),
        thread_(start_thread(
            "relay", [this] { loop(); }, std::move(failed))) {}

  [[nodiscard]] const Pulse& pulse() { return distributor_.pulse(); }

  bool try_send(Alert alert);
  std::optional<int64_t> take_rewind();
  void send_event(ExecEvent event);
  void reopen();
  void set_sinks(Sinks sinks);
  void stop(int64_t milliseconds);

 private:
  struct Inbox {
    std::deque<Alert> alerts;
    size_t alert_bytes = 0;
    std::deque<ExecEvent> events;
    size_t event_bytes = 0;
    bool more_events = false;  // than were taken
    std::optional<Sinks> sinks;
    bool reopen = false;
    bool refused = false;  // an alert, for want of room
    bool stopping = false;
  };

  void loop();
  Inbox wait();
  void work(Inbox& inbox);
  void report(bool refused);
  void wake();
  // With the mutex.
  void count_queue();

  const Prepare prepare_;
  const Acknowledge acknowledge_;
  Metrics& metrics_;
  const Clock& clock_;
  Distributor distributor_;
  bool seen_stopping_ = false;  // relay's thread

  std::mutex mutex_;
  std::condition_variable ready_;
  bool woken_ = false;
  Inbox inbox_;
  size_t held_alerts_ = 0;
  size_t held_bytes_ = 0;
  size_t high_water_ = 0;
  std::optional<int64_t> rewind_;

  std::thread thread_;  // last: it uses all of the above
};

void Relay::Impl::wake() {
  woken_ = true;
  ready_.notify_one();
}

void Relay::Impl::count_queue() {
  const size_t size = inbox_.alerts.size() + held_alerts_;
  high_water_ = std::max(high_water_, size);
  metrics_.set(Metric::kRelayQueue, size);
  metrics_.set(Metric::kRelayQueueHighWater, high_water_);
}

bool Relay::Impl::try_send(Alert alert) {
  const size_t bytes = weight(alert);
  const std::lock_guard lock(mutex_);
  if (inbox_.stopping || (rewind_ && alert.alert_id != 0))
    return false;
  if (!fits(inbox_.alerts.size() + held_alerts_,
            inbox_.alert_bytes + held_bytes_, bytes)) {
    inbox_.refused = true;
    wake();
    return false;
  }
  inbox_.alerts.push_back(std::move(alert));
  inbox_.alert_bytes += bytes;
  count_queue();
  wake();
  return true;
}

std::optional<int64_t> Relay::Impl::take_rewind() {
  const std::lock_guard lock(mutex_);
  return std::exchange(rewind_, std::nullopt);
}

void Relay::Impl::send_event(ExecEvent event) {
  const size_t bytes = weight(event);
  const std::lock_guard lock(mutex_);
  if (inbox_.stopping ||
      !fits(inbox_.events.size(), inbox_.event_bytes, bytes)) {
    metrics_.add(Metric::kDeliveryErrors);
    return;
  }
  inbox_.events.push_back(std::move(event));
  inbox_.event_bytes += bytes;
  wake();
}

void Relay::Impl::reopen() {
  const std::lock_guard lock(mutex_);
  inbox_.reopen = true;
  wake();
}

void Relay::Impl::set_sinks(Sinks sinks) {
  const std::lock_guard lock(mutex_);
  inbox_.sinks = std::move(sinks);
  wake();
}

void Relay::Impl::stop(int64_t milliseconds) {
  if (!thread_.joinable())
    return;
  distributor_.stop_at(clock_.monotonic_ns() + milliseconds * kNanosPerMilli);
  {
    const std::lock_guard lock(mutex_);
    inbox_.stopping = true;
    wake();
  }
  thread_.join();
}

void Relay::Impl::loop() {
  while (true) {
    distributor_.pulse().beat();
    Inbox inbox = wait();
    work(inbox);
    report(inbox.refused);
    if (inbox.stopping && ((distributor_.idle() && !inbox.more_events) ||
                           distributor_.past_deadline()))
      return;
  }
}

Relay::Impl::Inbox Relay::Impl::wait() {
  const int64_t due = distributor_.wait_ns().value_or(kLongestWaitNs);
  std::unique_lock lock(mutex_);
  ready_.wait_for(lock, std::chrono::nanoseconds(std::min(due, kLongestWaitNs)),
                  [this] { return woken_; });
  Inbox taken;
  taken.stopping = inbox_.stopping;
  taken.alerts = std::exchange(inbox_.alerts, {});
  held_alerts_ += taken.alerts.size();
  held_bytes_ += std::exchange(inbox_.alert_bytes, 0);
  const size_t events = std::min(inbox_.events.size(), kEventsAtOnce);
  std::move(inbox_.events.begin(),
            inbox_.events.begin() + static_cast<std::ptrdiff_t>(events),
            std::back_inserter(taken.events));
  inbox_.events.erase(
      inbox_.events.begin(),
      inbox_.events.begin() + static_cast<std::ptrdiff_t>(events));
  for (const ExecEvent& event : taken.events)
    inbox_.event_bytes -= weight(event);
  taken.sinks = std::exchange(inbox_.sinks, std::nullopt);
  taken.reopen = std::exchange(inbox_.reopen, false);
  taken.refused = std::exchange(inbox_.refused, false);
  taken.more_events = !inbox_.events.empty();
  woken_ = taken.more_events;
  return taken;
}

void Relay::Impl::work(Inbox& inbox) {
  if (inbox.sinks)
    distributor_.set_sinks(std::move(*inbox.sinks));
  if (inbox.reopen)
    distributor_.reopen();
  if (inbox.stopping && !std::exchange(seen_stopping_, true))
    distributor_.retry_now();
  for (Alert& alert : inbox.alerts) {
    if (prepare_)
      prepare_(alert);
    distributor_.add(std::move(alert));
  }
  distributor_.run();
  if (inbox.refused)
    distributor_.leave_laggards_behind();
  for (const ExecEvent& event : inbox.events)
    if (!distributor_.past_deadline())
      distributor_.deliver_event(event);
}

void Relay::Impl::report(bool refused) {
  std::optional<int64_t> after = distributor_.take_rewind();
  bool room = false;
  {
    const std::lock_guard lock(mutex_);
    if (after) {
      // What came meanwhile is offered again in its place.
      std::erase_if(inbox_.alerts, [&](const Alert& alert) {
        if (alert.alert_id == 0)
          return false;
        after = std::min(*after, alert.alert_id - 1);
        inbox_.alert_bytes -= weight(alert);
        return true;
      });
      rewind_ = std::min(rewind_.value_or(*after), *after);
    }
    room = refused && distributor_.size() < held_alerts_;
    held_alerts_ = distributor_.size();
    held_bytes_ = distributor_.bytes();
    count_queue();
  }
  const std::vector<int64_t> ids = distributor_.take_acknowledged();
  if (!ids.empty() || after || room)
    acknowledge_(ids);
}

Relay::Relay(Sinks sinks, Acknowledge acknowledge, Metrics& metrics,
             const Clock& clock, Backoff backoff, Prepare prepare,
             ThreadFailed failed)
    : impl_(std::make_unique<Impl>(std::move(sinks), std::move(acknowledge),
                                   metrics, clock, backoff, std::move(prepare),
                                   std::move(failed))) {}

Relay::~Relay() {
  stop(0);
}

bool Relay::try_send(Alert alert) {
  return impl_->try_send(std::move(alert));
}

std::optional<int64_t> Relay::take_rewind() {
  return impl_->take_rewind();
}

void Relay::send_event(ExecEvent event) {
  impl_->send_event(std::move(event));
}

void Relay::reopen() {
  impl_->reopen();
}

void Relay::set_sinks(Sinks sinks) {
  impl_->set_sinks(std::move(sinks));
}

void Relay::stop(int64_t milliseconds) {
  impl_->stop(milliseconds);
}

const Pulse& Relay::pulse() const {
  return impl_->pulse();
}

}  // namespace preload
