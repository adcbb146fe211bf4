// SPDX-License-Identifier: Apache-2.0
// Finds a thread that no longer makes progress.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/metrics.h"

namespace preload {

// A stage's progress counter. Its thread counts, the watchdog reads; it orders
// nothing else.
class Pulse {
 public:
  // One writer, so that a beat costs no locked instruction.
  void beat() {
    beats_.store(beats_.load(std::memory_order_relaxed) + 1,
                 std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t beats() const {
    return beats_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> beats_{0};
};

// Checks once a second. A stage is stuck when its pulse has not changed for the
// bound although it was not idle. Only time counts in which the watchdog itself
// could run: a suspended machine or a stopped process makes no stage stuck.
class Watchdog {
 public:
  struct Stage {
    std::string name;
    const Pulse* pulse = nullptr;
    // True while it has nothing to do. A stage without this function beats
    // every second.
    std::function<bool()> idle = {};
    // It is reported after the bound and fatal after this multiple of it. The
    // relay has 10: an output on a network file system can hang for minutes,
    // and ending the process would not help. auditd gives up a plugin that
    // ends max_restarts times, and then nothing is detected at all; without
    // the relay, alerts wait in the database.
    unsigned fatal_multiple = 1;
  };
  struct Stuck {
    std::string name;
    int64_t seconds = 0;
    bool fatal = true;  // over the fatal multiple of the bound too
  };
  // Called on the watchdog's thread, again each second while it lasts.
  using Act = std::function<void(const Stuck&)>;

  Watchdog(const Clock& clock, Metrics& metrics, const Timing& timing = {})
      : clock_(clock), metrics_(metrics), timing_(timing) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() { stop(); }

  // The stage's pulse lives until forget() or stop().
  void watch(Stage stage);
  void forget(const Pulse& pulse);

  // Seconds; 0 = no stage is ever stuck, otherwise Timing::watchdog_least_s at
  // least, since a beat and a check each may be a second late.
  void set_bound(int64_t seconds) {
    bound_s_ = seconds == 0 ? 0 : std::max(seconds, timing_.watchdog_least_s);
  }
  void start(Act act);
  // Ends the checks; the destructor does so too.
  void stop();

  // The stage that is stuck, a fatal one if there are several. start()'s thread
  // calls it.
  [[nodiscard]] std::optional<Stuck> check();

 private:
  struct Entry {
    Stage stage;
    uint64_t beats = 0;
    int64_t silent_ns = 0;
  };

  void run();

  const Clock& clock_;
  Metrics& metrics_;
  const Timing timing_;
  Act act_;
  std::atomic<int64_t> bound_s_{0};

  std::mutex mutex_;  // of what follows
  std::condition_variable ending_;
  std::vector<Entry> entries_;
  int64_t checked_ns_ = 0;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace preload
