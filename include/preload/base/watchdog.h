// SPDX-License-Identifier: Apache-2.0
// Notices a thread that no longer makes progress.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "preload/base/clock.h"
#include "preload/base/metrics.h"
#include "preload/base/timing.h"

namespace preload {

// A stage's sign of life. Its thread beats, the watchdog looks; nothing else
// is ordered by it.
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

// Looks once a second. A stage is stuck when it has not beaten for its bound
// although it was not resting. Only time counts in which the watchdog itself
// could run: a suspended machine or a stopped process makes nobody stuck.
class Watchdog {
 public:
  struct Stage {
    std::string name;
    const Pulse* pulse = nullptr;
    // True while it has nothing to do. A stage without this one beats every
    // second, whatever there is to do.
    std::function<bool()> resting = {};
    // So many times the bound of the others.
    unsigned patience = 1;
  };
  struct Stuck {
    std::string name;
    int64_t seconds = 0;
    bool bearable = false;  // over the bound, but not over its patience
  };
  // Called on the watchdog's thread, again each second while it lasts.
  using Act = std::function<void(const Stuck&)>;

  Watchdog(const Clock& clock, Metrics& metrics, const Timing& timing = {})
      : clock_(clock), metrics_(metrics), timing_(timing) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

  // Ends the watching when it is destroyed; the stage and the watchdog outlive
  // it.
  class Watch {
   public:
    Watch() = default;
    Watch(Watchdog& dog, const Pulse* pulse) : dog_(&dog), pulse_(pulse) {}
    Watch(Watch&& other) noexcept { *this = std::move(other); }
    Watch& operator=(Watch&& other) noexcept {
      std::swap(dog_, other.dog_);
      std::swap(pulse_, other.pulse_);
      return *this;
    }
    ~Watch() {
      if (dog_ != nullptr)
        dog_->forget(pulse_);
    }

   private:
    Watchdog* dog_ = nullptr;
    const Pulse* pulse_ = nullptr;
  };
  [[nodiscard]] Watch watch(Stage stage);

  // Seconds; 0 = nobody is stuck, otherwise Timing::watchdog_least_s at least,
  // since a beat and a look each may be a second late.
  void set_bound(int64_t seconds) {
    bound_s_ = seconds == 0 ? 0 : std::max(seconds, timing_.watchdog_least_s);
  }
  void start(Act act);

  // One look: the stage that is stuck, the worst if there are several. What
  // start()'s thread does.
  [[nodiscard]] std::optional<Stuck> look();

 private:
  struct Entry {
    Stage stage;
    uint64_t beats = 0;
    int64_t silent_ns = 0;
  };

  void forget(const Pulse* pulse);
  void run();

  const Clock& clock_;
  Metrics& metrics_;
  const Timing timing_;
  Act act_;
  std::atomic<int64_t> bound_s_{0};

  std::mutex mutex_;  // of what follows
  std::condition_variable ending_;
  std::list<Entry> entries_;
  int64_t looked_ns_ = 0;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace preload
