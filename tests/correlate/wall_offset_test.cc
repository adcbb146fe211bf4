// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/wall_offset.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace preload {
namespace {

constexpr int64_t kMilliUs = 1'000;
constexpr int64_t kMemoryNs = 5 * kNanosPerSecond;

// Somebody else has the CPU for 10 ms between its first two readings.
class PreemptedClock final : public Clock {
 public:
  [[nodiscard]] int64_t wall_us() const override { return read() + kStart; }
  [[nodiscard]] int64_t monotonic_ns() const override {
    return read() * kNanosPerMicro;
  }
  void preempt() { readings_ = 0; }
  static constexpr int64_t kStart = 1'795'484'879'000'000;

 private:
  int64_t read() const {
    now_us_ += ++readings_ == 2 ? 10 * kMilliUs : 1;
    return now_us_;
  }
  mutable int64_t now_us_ = 50'000'000;
  mutable int readings_ = 0;
};

TEST(WallOffset, IsRightThoughAnotherHadTheCpuMeanwhile) {
  PreemptedClock clock;
  clock.preempt();
  WallOffset offset(clock);
  EXPECT_LT(std::abs(offset.us() - PreemptedClock::kStart), 50);
  clock.preempt();
  offset.update(kMemoryNs);
  EXPECT_LT(std::abs(offset.us() - PreemptedClock::kStart), 50);
}

TEST(WallOffset, TellsOfEachWayBackForAWhile) {
  FakeClock clock;
  WallOffset offset(clock);
  EXPECT_EQ(offset.set_back_us(), 0);
  for (const int64_t back : {3 * kMilliUs, 3'600'000 * kMilliUs}) {
    clock.step_wall_us(-back);
    offset.update(kMemoryNs);
    EXPECT_EQ(offset.set_back_us(), back);
    clock.advance_us(4'000 * kMilliUs);
    offset.update(kMemoryNs);
    EXPECT_EQ(offset.set_back_us(), back);
    clock.advance_us(2'000 * kMilliUs);
    offset.update(kMemoryNs);
    EXPECT_EQ(offset.set_back_us(), 0);
  }
  clock.step_wall_us(5 * kMilliUs);
  offset.update(kMemoryNs);
  EXPECT_EQ(offset.set_back_us(), 0);
}

}  // namespace
}  // namespace preload
