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
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/metrics.h"
#include "preload/base/thread.h"
#include "preload/base/watchdog.h"
#include "preload/deliver/sink.h"
#include "preload/store/outbox.h"
#include "preload/store/store_queue.h"

namespace preload {

// How long a sink that failed is left alone: the first time, then doubling.
struct Backoff {
  int64_t first_ms = 1'000;
  int64_t most_ms = 30'000;
};

// Owns the relay thread. Each sink reads the outbox at its own cursor: ready
// alerts, in order of id, in batches. What it has taken is posted as its
// position, which the store thread writes to the database; after a crash the
// alerts behind that are sent again, with the same ids. A sink that fails
// holds up only itself and is tried again later. An error of EMSGSIZE or
// EINVAL can never pass: that alert counts as taken.
//
// Alerts that the database refused (id 0) go through a small queue in memory
// instead, to each sink after its stored ones.
//
// Threads: any thread fills `inbox_` and `unstored_` under the mutex; the
// sinks and the reader belong to the relay's thread alone.
class Relay {
 public:
  using Sinks = std::vector<std::unique_ptr<Sink>>;
  // Called on the relay's thread.
  using PostPosition = std::function<void(SinkPosition)>;

  // `database` is the path of the history, which exists.
  Relay(std::string database, Sinks sinks, PostPosition post_position,
        Metrics& metrics, const Clock& clock, Backoff backoff = {});
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();  // stop(0)

  // Starts the thread: once positions can be posted.
  void start(ThreadFailed failed);

  // Any thread, as all of these; none blocks.
  //
  // Alerts have become ready, or the sinks have cursors in the database.
  void wake();
  // The path leads to another database now, the `number`th after the first.
  void database_replaced(uint64_t number);
  // An alert that is not stored. Of kMaxUnstored (8 MiB) the oldest gives way
  // if some sink has taken it, and is counted; false when none has.
  [[nodiscard]] bool send_unstored(Alert alert);
  // Best effort; a full queue (1024 events, 8 MiB) drops and counts.
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
  struct Unstored {
    std::shared_ptr<const Alert> alert;
    size_t bytes = 0;
  };
  // A sink and how far it is.
  struct Lane {
    std::unique_ptr<Sink> sink;
    std::optional<int64_t> cursor;  // nothing: the database does not tell yet
    bool more = true;               // there may be alerts after the cursor
    uint64_t unstored = 0;          // number of its next unstored alert
    uint64_t failures = 0;          // since it last worked
    int64_t delay_ms = 0;           // 0: it works
    int64_t retry_at_ns = 0;
  };
  struct Inbox {
    std::deque<ExecEventPtr> events;
    size_t event_bytes = 0;
    std::optional<Sinks> sinks;
    std::optional<uint64_t> replaced;
    bool ready = false;  // look into the outbox
    bool reopen = false;
    bool stopping = false;
  };

  void run();
  Inbox wait();
  void prepare(Inbox& inbox);
  void use_sinks(Sinks sinks);
  void read_cursors();
  bool open_reader();
  void reader_failed(const Error& error);
  // relay_lanes.cc. True when there may be more for the sink at once.
  bool run_lane(Lane& lane);
  bool send_stored(Lane& lane);
  void send_unstored_to(Lane& lane);
  bool attempt(Lane& lane, const Alert& alert);
  void failed(Lane& lane, const Error& error);
  static void worked(Lane& lane);
  void taken(const Lane& lane, const Alert& alert);
  void release_unstored();
  void deliver_event(const ExecEvent& event);
  void notify();
  void count_queue();  // with the mutex
  [[nodiscard]] bool waiting(const Lane& lane) const;
  [[nodiscard]] bool past_deadline() const;
  [[nodiscard]] bool idle();
  [[nodiscard]] int64_t wait_ns();

  const std::string path_;
  const PostPosition post_position_;
  Metrics& metrics_;
  const Clock& clock_;
  const Backoff backoff_;
  Pulse pulse_;

  // The relay's thread.
  std::vector<Lane> lanes_;
  std::unique_ptr<OutboxReader> reader_;
  uint64_t database_ = 0;
  int64_t read_again_ns_ = 0;  // after an error of the database
  bool seen_stopping_ = false;

  std::atomic<int64_t> deadline_ns_{INT64_MAX};
  std::mutex mutex_;
  std::condition_variable ready_;
  bool woken_ = false;
  Inbox inbox_;
  std::deque<Unstored> unstored_;
  uint64_t first_unstored_ = 0;  // number of unstored_.front()
  uint64_t released_ = 0;        // all before this were taken by some sink
  size_t unstored_bytes_ = 0;
  size_t high_water_ = 0;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace preload
