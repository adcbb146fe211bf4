// SPDX-License-Identifier: Apache-2.0
// The two clocks of this program, and its intervals. The connector uses
// CLOCK_MONOTONIC in nanoseconds, audit and the database use the wall clock.
// The wall clock can be set, so times of the two are compared only as a check.
#pragma once

#include <chrono>
#include <cstdint>

namespace preload {

inline constexpr int64_t kMicrosPerSecond = 1'000'000;
inline constexpr int64_t kNanosPerSecond = 1'000'000'000;
inline constexpr int64_t kNanosPerMicro = 1'000;
inline constexpr int64_t kNanosPerMilli = 1'000'000;

class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  // Microseconds since the epoch, UTC.
  [[nodiscard]] virtual int64_t wall_us() const = 0;
  // Nanoseconds of CLOCK_MONOTONIC.
  [[nodiscard]] virtual int64_t monotonic_ns() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] int64_t wall_us() const override {
    using namespace std::chrono;
    return floor<microseconds>(system_clock::now().time_since_epoch()).count();
  }
  // libstdc++'s and libc++'s steady clock is CLOCK_MONOTONIC.
  [[nodiscard]] int64_t monotonic_ns() const override {
    using namespace std::chrono;
    return nanoseconds(steady_clock::now().time_since_epoch()).count();
  }
};

// Intervals of the running plugin: how often, and how long until the next try.
// One structure, so that tests run the same program with shorter ones.
// Nanoseconds unless the name says otherwise.
struct Timing {
  int64_t coverage = 5 * kNanosPerSecond;     // counts to the store
  int64_t report = 15 * kNanosPerSecond;      // metrics_file
  int64_t flush = 5 * kNanosPerSecond;        // batched counts to disk
  int64_t prune = 60 * kNanosPerSecond;       // deletion of old rows
  int64_t prune_again = kNanosPerSecond;      // while rows are left
  int64_t busy = 5 * kNanosPerSecond;         // lock of another on the database
  int64_t store_retry = 5 * kNanosPerSecond;  // a database that refuses
  int64_t sink_retry = kNanosPerSecond;       // a sink that failed, doubling
  int64_t sink_retry_most = 30 * kNanosPerSecond;
  int64_t preload_file = 10 * kNanosPerSecond;  // look at /etc/ld.so.preload
  int64_t watchdog = kNanosPerSecond;           // look at each stage's pulse
  int64_t watchdog_least_s = 3;                 // least value of `watchdog`
};

}  // namespace preload
