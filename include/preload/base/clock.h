// SPDX-License-Identifier: Apache-2.0
// The two clocks of this program. The connector uses CLOCK_MONOTONIC in
// nanoseconds, audit and the database use the wall clock. The wall clock can be
// set, so times of the two are compared only as a check.
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

}  // namespace preload
