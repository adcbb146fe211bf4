// SPDX-License-Identifier: Apache-2.0
// Which sink has taken which alert, and when to try again: the relay without
// its thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/metrics.h"
#include "preload/base/watchdog.h"
#include "preload/deliver/sink.h"

namespace preload {

// How long a sink that failed is left alone: the first time, then doubling.
struct Backoff {
  int64_t first_ms = 1'000;
  int64_t most_ms = 30'000;
};

// About how much memory it holds. Bytes.
[[nodiscard]] size_t weight(const Alert& alert);

// One thread at a time.
//
// The alerts in memory are a window on the outbox: those that some sink has
// yet to take. Each sink goes through it at its own pace. When the window is
// full because one sink does not take anything while another has taken all, it
// is emptied, and the sink that lags is *behind*: it keeps only the alert that
// it refused and tries that. Once it takes it, rewind() asks for everything
// that was let go meanwhile again; sinks that had it skip it by its id. So a
// sink that is out of order for days neither holds up the others nor costs
// memory, and still gets everything, in order.
class Distributor {
 public:
  using Sinks = std::vector<std::unique_ptr<Sink>>;

  Distributor(Sinks sinks, Metrics& metrics, const Clock& clock,
              Backoff backoff);

  // To the end of the window. Ids ascend, but for what rewind() asked for; an
  // alert without one (0) is not in the outbox and stays until it is taken.
  void add(Alert alert);

  // Tries every sink that is not waiting with everything it lacks. An error of
  // EMSGSIZE or EINVAL will never pass: that alert counts as taken.
  void run();

  // One attempt per sink that is not failing.
  void deliver_event(const ExecEvent& event);

  // Ids that every sink has taken, each once.
  [[nodiscard]] std::vector<int64_t> take_acknowledged();
  // The alert after which the outbox must be offered again, once.
  [[nodiscard]] std::optional<int64_t> take_rewind();

  // Room for the others: see above. Does nothing unless a sink lags and
  // another has taken all.
  void leave_laggards_behind();

  // Nanoseconds until a sink that failed is to be tried again, or the end of
  // stop_at(); nothing when there is nothing to wait for.
  [[nodiscard]] std::optional<int64_t> wait_ns() const;

  void reopen();     // and tries at once
  void retry_now();  // forgets the waiting, not the doubling
  // Sinks of the same name go on where the old one was.
  void set_sinks(Sinks sinks);

  // No attempt begins after this time of the monotonic clock. Any thread.
  void stop_at(int64_t monotonic_ns) {
    deadline_ns_.store(monotonic_ns, std::memory_order_relaxed);
  }

  [[nodiscard]] bool past_deadline() const;

  // Beats with every attempt at a sink.
  [[nodiscard]] Pulse& pulse() { return pulse_; }

  // Alerts held, and their weight.
  [[nodiscard]] size_t size() const { return window_.size(); }
  [[nodiscard]] size_t bytes() const { return bytes_; }
  // Nothing is held for any sink.
  [[nodiscard]] bool idle() const;

 private:
  struct Entry {
    Alert alert;
    size_t bytes = 0;
    bool delivered = false;  // some sink has taken it
  };
  // An alert is the same when both are: ids begin anew with a new database.
  struct Mark {
    int64_t id = 0;
    int64_t raised_at_us = 0;
  };
  struct Line {
    std::unique_ptr<Sink> sink;
    uint64_t next = 0;               // position of the first alert it lacks
    Mark last;                       // the latest it took
    Mark skip;                       // took everything up to this one before
    std::unique_ptr<Alert> stalled;  // set when it is behind
    uint64_t failures = 0;           // since it last worked
    int64_t delay_ms = 0;            // 0: it works
    int64_t retry_at_ns = 0;
  };

  void run_line(Line& line);
  void run_stalled(Line& line);
  // False: it was not taken and is to be tried again.
  [[nodiscard]] bool attempt(Line& line, const Alert& alert);
  void failed(Line& line, const Error& error);
  void worked(Line& line);
  [[nodiscard]] bool waiting(const Line& line) const;
  static bool skips(Line& line, const Alert& alert);
  void observe(Entry& entry);
  void release_taken();
  void rewind();
  [[nodiscard]] uint64_t end() const { return begin_ + window_.size(); }

  Metrics& metrics_;
  const Clock& clock_;
  Pulse pulse_;
  const Backoff backoff_;
  std::vector<Line> lines_;
  std::deque<Entry> window_;
  uint64_t begin_ = 0;  // position of window_.front()
  size_t bytes_ = 0;
  std::vector<int64_t> acknowledged_;
  // The lowest id that was let go though a sink that is behind lacks it.
  std::optional<int64_t> unacknowledged_;
  std::optional<int64_t> rewind_;
  std::atomic<int64_t> deadline_ns_{INT64_MAX};
};

}  // namespace preload
