// SPDX-License-Identifier: Apache-2.0
// Carries alerts from the outbox to the sinks, in order, at least once.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/metrics.h"
#include "preload/base/thread.h"
#include "preload/base/watchdog.h"
#include "preload/deliver/sinks.h"
#include "preload/store/outbox.h"
#include "preload/store/store_queue.h"

namespace preload {

// Owns the relay thread. Each sink reads the outbox at its own cursor: ready
// alerts, in order of id, in batches. What it has taken is posted as its
// position, which the store thread writes to the database; after a crash the
// alerts behind that are sent again, with the same ids. A sink that fails
// delays only itself and is tried again later. An alert that the sink refuses
// with EMSGSIZE or EINVAL can never be delivered and counts as taken.
//
// Alerts that the database refused (id 0) wait in a small queue in memory; a
// sink gets them after its stored ones.
//
// Threads: any thread fills `orders_` and the queues under the mutex; the sinks
// and the reader belong to the relay's thread alone.
class Relay {
 public:
  // Called on the relay's thread.
  using PostPosition = std::function<void(SinkPosition)>;

  // `database` is the path of the history, which exists.
  Relay(std::string database, Sinks sinks, PostPosition post_position,
        Metrics& metrics, const Clock& clock, const Timing& timing);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() { stop(0); }

  // Starts the thread: once positions can be posted.
  void start(ThreadFailed failed);

  // Any thread, as all of these; none blocks.
  //
  // Alerts have become ready, or the sinks have cursors in the database.
  void wake();
  // The path leads to another database now, the `number`th after the first.
  void database_replaced(uint64_t number);
  // An alert that is not stored. From a full queue the oldest is dropped and
  // counted if some sink has taken it; false when none has.
  [[nodiscard]] bool send_unstored(Alert alert);
  // Best effort; a full queue drops it and counts.
  void send_event(ExecEventPtr event);
  // The sinks open their files again, and failed ones are tried at once.
  void reopen();
  // Other sinks from now on. One whose name was there before goes on where that
  // one was; another one begins where the database says.
  void set_sinks(Sinks sinks);

  // Tries for up to `milliseconds` to send what is ready, then ends the thread.
  // An attempt that blocks (two seconds at most for syslog) is not cut short.
  void stop(int64_t milliseconds);

  // Beats every second and with every attempt at a sink, which may block
  // for as long as the sink's file system does.
  [[nodiscard]] const Pulse& pulse() const { return pulse_; }

 private:
  // First in, first out, bounded by number and bytes. An item above the bound
  // passes through an empty queue.
  template <class T>
  class Queue {
   public:
    [[nodiscard]] bool fits(size_t bytes) const {
      return items_.empty() ||
             (items_.size() < kMaxItems && bytes_ + bytes <= kMaxBytes);
    }
    void push(T item, size_t bytes) {
      items_.push_back({std::move(item), bytes});
      bytes_ += bytes;
    }
    T pop() {
      auto [item, bytes] = std::move(items_.front());
      items_.pop_front();
      bytes_ -= bytes;
      return std::move(item);
    }
    [[nodiscard]] T& at(size_t index) { return items_[index].first; }
    [[nodiscard]] size_t size() const { return items_.size(); }

   private:
    static constexpr size_t kMaxItems = 1024;
    static constexpr size_t kMaxBytes = size_t{8} << 20;
    std::deque<std::pair<T, size_t>> items_;
    size_t bytes_ = 0;
  };
  struct Unstored {
    std::shared_ptr<const Alert> alert;
    bool taken = false;  // by some sink
  };
  // A sink and how far it is.
  struct Lane {
    std::unique_ptr<Sink> sink;
    std::optional<int64_t> cursor;  // nothing: not in the database yet
    bool more = true;               // there may be alerts after the cursor
    uint64_t unstored = 0;          // number of its next unstored alert
    uint64_t failures = 0;          // since it last worked
    int64_t delay_ns = 0;           // 0: it works
    int64_t retry_at_ns = 0;
  };
  // What the relay's thread is to do, each once.
  struct Orders {
    std::optional<Sinks> sinks;
    std::optional<uint64_t> replaced;
    bool ready = false;  // read the outbox
    bool reopen = false;
    bool stop = false;
    ExecEventPtr event;  // to deliver after the alerts
  };

  void run();
  Orders wait();
  void obey(Orders& orders);
  void use_sinks(Sinks sinks);
  void read_cursors();
  bool open_reader();
  void reader_failed(const Error& error);
  void release_unstored();
  void deliver_event(const ExecEvent& event);
  [[nodiscard]] bool past_deadline() const {
    return clock_.monotonic_ns() >= deadline_ns_;
  }
  [[nodiscard]] bool idle();
  // With the mutex.
  void notify();
  void count_queue();

  // True when there may be more for the sink at once.
  bool run_lane(Lane& lane);
  bool send_stored(Lane& lane);
  void send_unstored_to(Lane& lane);
  bool attempt(Lane& lane, const Alert& alert);
  void failed(Lane& lane, const Error& error);
  void count_stored(const Lane& lane, const Alert& alert);
  [[nodiscard]] bool delayed(const Lane& lane) const {
    return lane.delay_ns != 0 && clock_.monotonic_ns() < lane.retry_at_ns;
  }

  const std::string path_;
  const PostPosition post_position_;
  Metrics& metrics_;
  const Clock& clock_;
  const Timing timing_;
  Pulse pulse_;

  // The relay's thread.
  std::vector<Lane> lanes_;
  std::unique_ptr<OutboxReader> reader_;
  uint64_t database_ = 0;
  int64_t read_again_ns_ = 0;  // after an error of the database

  std::atomic<int64_t> deadline_ns_{INT64_MAX};
  std::mutex mutex_;
  std::condition_variable ready_;
  bool woken_ = false;
  bool closed_ = false;
  Orders orders_;
  Queue<ExecEventPtr> events_;
  Queue<Unstored> unstored_;
  uint64_t first_unstored_ = 0;  // number of the first in unstored_
  size_t high_water_ = 0;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace preload
