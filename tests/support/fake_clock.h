// SPDX-License-Identifier: Apache-2.0
// Clocks that a test sets.
#pragma once

#include <atomic>

#include "preload/base/clock.h"

namespace preload {

class FakeClock final : public Clock {
 public:
  explicit FakeClock(int64_t wall_us = 1'795'484'879'068'000)
      : wall_(wall_us) {}

  [[nodiscard]] int64_t wall_us() const override { return wall_; }
  [[nodiscard]] int64_t monotonic_ns() const override { return monotonic_; }

  void advance_us(int64_t us) {
    wall_ += us;
    monotonic_ += us * kNanosPerMicro;
  }
  // A step of the wall clock alone.
  void step_wall_us(int64_t us) { wall_ += us; }

 private:
  std::atomic<int64_t> wall_;
  std::atomic<int64_t> monotonic_{1'000'000'000'000};
};

}  // namespace preload
