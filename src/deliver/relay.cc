// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/relay.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "preload/base/log.h"

namespace preload {
namespace {

constexpr size_t kMaxEntries = 1024;
constexpr size_t kMaxBytes = size_t{8} << 20;
// So many execs between two looks at the alerts, which go first.
constexpr size_t kEventsAtOnce = 64;
// For a sign of life.
constexpr int64_t kLongestWaitNs = kNanosPerSecond;

// An item heavier than the bound passes through an empty queue.
bool fits(size_t entries, size_t bytes, size_t more) {
  return entries == 0 || (entries < kMaxEntries && bytes + more <= kMaxBytes);
}

size_t weight(const Alert& alert) {
  return sizeof alert + preload::weight(alert.event) +
         alert.term.variable.size() + alert.term.value.size();
}

}  // namespace

Relay::Relay(std::string database, Sinks sinks, PostPosition post_position,
             Metrics& metrics, const Clock& clock, Backoff backoff)
    : path_(std::move(database)),
      post_position_(std::move(post_position)),
      metrics_(metrics),
      clock_(clock),
      backoff_(backoff) {
  use_sinks(std::move(sinks));
}

void Relay::start(ThreadFailed failed) {
  thread_ = start_thread(
      "relay", [this] { run(); }, std::move(failed));
}

Relay::~Relay() {
  stop(0);
}

// ---- Any thread

// With the mutex.
void Relay::notify() {
  woken_ = true;
  ready_.notify_one();
}

void Relay::count_queue() {
  const size_t size = unstored_.size() + inbox_.events.size();
  high_water_ = std::max(high_water_, size);
  metrics_.set(Metric::kRelayQueue, size);
  metrics_.set(Metric::kRelayQueueHighWater, high_water_);
}

void Relay::wake() {
  const std::lock_guard lock(mutex_);
  inbox_.ready = true;
  notify();
}

void Relay::database_replaced(uint64_t number) {
  const std::lock_guard lock(mutex_);
  inbox_.replaced = number;
  notify();
}

bool Relay::send_unstored(Alert alert) {
  const size_t bytes = weight(alert);
  const std::lock_guard lock(mutex_);
  if (inbox_.stopping)
    return false;
  while (!fits(unstored_.size(), unstored_bytes_, bytes)) {
    if (released_ <= first_unstored_)
      return false;
    metrics_.add(Metric::kDeliveryErrors);
    unstored_bytes_ -= unstored_.front().bytes;
    unstored_.pop_front();
    ++first_unstored_;
  }
  unstored_.push_back({std::make_shared<Alert>(std::move(alert)), bytes});
  unstored_bytes_ += bytes;
  count_queue();
  notify();
  return true;
}

void Relay::send_event(ExecEventPtr event) {
  const size_t bytes = preload::weight(*event);
  const std::lock_guard lock(mutex_);
  if (inbox_.stopping ||
      !fits(inbox_.events.size(), inbox_.event_bytes, bytes)) {
    metrics_.add(Metric::kDeliveryErrors);
    return;
  }
  inbox_.events.push_back(std::move(event));
  inbox_.event_bytes += bytes;
  count_queue();
  notify();
}

void Relay::reopen() {
  const std::lock_guard lock(mutex_);
  inbox_.reopen = true;
  notify();
}

void Relay::set_sinks(Sinks sinks) {
  const std::lock_guard lock(mutex_);
  inbox_.sinks = std::move(sinks);
  notify();
}

void Relay::stop(int64_t milliseconds) {
  if (!thread_.joinable())
    return;
  deadline_ns_ = clock_.monotonic_ns() + milliseconds * kNanosPerMilli;
  {
    const std::lock_guard lock(mutex_);
    inbox_.stopping = true;
    notify();
  }
  thread_.join();
}

// ---- The relay's thread

void Relay::run() {
  while (true) {
    pulse_.beat();
    Inbox inbox = wait();
    prepare(inbox);
    for (bool more = true; more;) {
      more = false;
      for (Lane& lane : lanes_)
        more = run_lane(lane) || more;
    }
    release_unstored();
    for (const ExecEventPtr& event : inbox.events)
      if (!past_deadline())
        deliver_event(*event);
    if (inbox.stopping && (idle() || past_deadline())) {
      // The writer's is the last connection then, and copies its log at the
      // end.
      reader_.reset();
      return;
    }
  }
}

Relay::Inbox Relay::wait() {
  const int64_t due = wait_ns();
  std::unique_lock lock(mutex_);
  ready_.wait_for(lock, std::chrono::nanoseconds(due),
                  [this] { return woken_; });
  Inbox taken;
  taken.stopping = inbox_.stopping;
  const auto events = static_cast<std::ptrdiff_t>(
      std::min(inbox_.events.size(), kEventsAtOnce));
  const auto end = std::next(inbox_.events.begin(), events);
  std::move(inbox_.events.begin(), end, std::back_inserter(taken.events));
  inbox_.events.erase(inbox_.events.begin(), end);
  for (const ExecEventPtr& event : taken.events)
    inbox_.event_bytes -= preload::weight(*event);
  taken.sinks = std::exchange(inbox_.sinks, std::nullopt);
  taken.replaced = std::exchange(inbox_.replaced, std::nullopt);
  taken.ready = std::exchange(inbox_.ready, false);
  taken.reopen = std::exchange(inbox_.reopen, false);
  woken_ = !inbox_.events.empty();
  count_queue();
  return taken;
}

void Relay::prepare(Inbox& inbox) {
  if (inbox.sinks)
    use_sinks(std::move(*inbox.sinks));
  const bool stops = inbox.stopping && !std::exchange(seen_stopping_, true);
  for (Lane& lane : lanes_) {
    lane.more = lane.more || inbox.ready || stops;
    if (inbox.reopen)
      lane.sink->reopen();
    if (inbox.reopen || stops)
      lane.retry_at_ns = 0;  // forgets the waiting, not the doubling
    if (inbox.replaced)
      lane.cursor.reset();
  }
  if (inbox.replaced) {
    reader_.reset();
    read_again_ns_ = 0;
    database_ = *inbox.replaced;
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
  for (; first_unstored_ < taken; ++first_unstored_) {
    unstored_bytes_ -= unstored_.front().bytes;
    unstored_.pop_front();
  }
  released_ = std::max(released_, first_unstored_);
  count_queue();
}

void Relay::deliver_event(const ExecEvent& event) {
  for (Lane& lane : lanes_) {
    if (lane.delay_ms != 0)
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

bool Relay::past_deadline() const {
  return clock_.monotonic_ns() >= deadline_ns_;
}

bool Relay::idle() {
  const std::lock_guard lock(mutex_);
  return inbox_.events.empty() && unstored_.empty() &&
         std::none_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) {
           return lane.cursor && lane.more;
         });
}

// Until a sink that failed is to be tried again, or the database read again.
int64_t Relay::wait_ns() {
  const int64_t now = clock_.monotonic_ns();
  int64_t until = std::min<int64_t>(deadline_ns_, now + kLongestWaitNs);
  const bool readable = reader_ != nullptr || now >= read_again_ns_;
  const std::lock_guard lock(mutex_);
  for (const Lane& lane : lanes_)
    if (lane.delay_ms != 0 &&
        ((lane.cursor && lane.more && readable) ||
         lane.unstored < first_unstored_ + unstored_.size()))
      until = std::min(until, lane.retry_at_ns);
  if (!readable)
    until = std::min(until, read_again_ns_);
  return std::max<int64_t>(until - now, 0);
}

}  // namespace preload
