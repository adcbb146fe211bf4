// SPDX-License-Identifier: Apache-2.0
#include "preload/base/clock.h"

#include <ctime>

namespace preload {
namespace {

int64_t read_clock(clockid_t id, int64_t per_second, int64_t nanos_per_unit) {
  timespec now{};
  ::clock_gettime(id, &now);  // cannot fail for these two clocks
  return int64_t{now.tv_sec} * per_second +
         int64_t{now.tv_nsec} / nanos_per_unit;
}

}  // namespace

int64_t SystemClock::wall_us() const {
  return read_clock(CLOCK_REALTIME, kMicrosPerSecond, kNanosPerMicro);
}

int64_t SystemClock::monotonic_ns() const {
  return read_clock(CLOCK_MONOTONIC, kNanosPerSecond, 1);
}

}  // namespace preload
