// SPDX-License-Identifier: Apache-2.0
// From the connector's clock to audit's, while the latter may be set.
#pragma once

#include <cstdint>

#include "preload/base/clock.h"

namespace preload {

// Wall minus monotonic clock, as it was at the last update().
class WallOffset {
 public:
  explicit WallOffset(const Clock& clock);

  // After the wall clock was set back, what was under way for `memory_ns` may
  // still have the time from before.
  void update(int64_t memory_ns);

  [[nodiscard]] int64_t us() const { return now_us_; }
  // By how much the wall clock was set back in that time; but for some
  // microseconds of noise 0: it was not.
  [[nodiscard]] int64_t set_back_us() const { return before_us_ - now_us_; }
  // Of a time of CLOCK_MONOTONIC; microseconds since the epoch.
  [[nodiscard]] int64_t wall_of(uint64_t monotonic_ns) const {
    return static_cast<int64_t>(monotonic_ns) / kNanosPerMicro + now_us_;
  }

 private:
  [[nodiscard]] int64_t measure() const;

  const Clock& clock_;
  int64_t now_us_;
  int64_t before_us_;  // the most of late
  int64_t before_ns_;  // when that was
};

}  // namespace preload
