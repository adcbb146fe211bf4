// SPDX-License-Identifier: Apache-2.0
#include "preload/base/watchdog.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace preload {
namespace {

class WatchdogTest : public testing::Test {
 protected:
  // `seconds` checks, one a second; what the last of them found.
  std::optional<Watchdog::Stuck> check_for(int seconds) {
    std::optional<Watchdog::Stuck> stuck;
    for (int i = 0; i < seconds; ++i) {
      clock_.advance_us(kMicrosPerSecond);
      stuck = dog_.check();
    }
    return stuck;
  }
  static std::string name(const std::optional<Watchdog::Stuck>& stuck) {
    return stuck ? stuck->name : "";
  }

  FakeClock clock_;
  Metrics metrics_;
  Watchdog dog_{clock_, metrics_};
  Pulse one_;
  Pulse two_;
};

TEST_F(WatchdogTest, NamesTheStageThatIsSilentForItsBound) {
  dog_.set_bound(5);
  dog_.watch({"first", &one_});
  dog_.watch({"second", &two_});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(name(check_for(1)), "") << i;
    two_.beat();
  }
  const auto stuck = check_for(1);
  EXPECT_EQ(name(stuck), "first");
  EXPECT_EQ(stuck->seconds, 5);
  EXPECT_TRUE(stuck->fatal);
  EXPECT_EQ(metrics_.get(Metric::kStageSilence), 5U);
  one_.beat();
  EXPECT_EQ(name(check_for(1)), "");
}

TEST_F(WatchdogTest, AnIdleStageIsNotStuck) {
  dog_.set_bound(5);
  bool idle = true;
  dog_.watch({"listener", &one_, [&] { return idle; }});
  EXPECT_EQ(name(check_for(100)), "");
  idle = false;
  EXPECT_EQ(name(check_for(4)), "");
  EXPECT_EQ(name(check_for(1)), "listener");
}

TEST_F(WatchdogTest, AStageIsReportedBeforeItIsFatal) {
  dog_.set_bound(5);
  dog_.watch({"relay", &one_, {}, 3});
  EXPECT_EQ(name(check_for(5)), "");
  const auto early = check_for(1);
  EXPECT_EQ(name(early), "relay");
  EXPECT_FALSE(early->fatal);
  // One that is fatal comes first.
  dog_.watch({"store", &two_});
  EXPECT_EQ(name(check_for(5)), "store");
  two_.beat();
  EXPECT_TRUE(check_for(5)->fatal);
}

TEST_F(WatchdogTest, TimeInWhichItDidNotRunItselfCountsForNobody) {
  dog_.set_bound(5);
  dog_.watch({"store", &one_});
  check_for(2);
  clock_.advance_us(3600 * kMicrosPerSecond);  // the machine was suspended
  EXPECT_EQ(name(dog_.check()), "");
}

TEST_F(WatchdogTest, ZeroWatchesNobodyAndAForgottenStageIsNotWatched) {
  dog_.set_bound(0);
  dog_.watch({"store", &one_});
  EXPECT_EQ(name(check_for(100)), "");
  dog_.set_bound(5);
  EXPECT_EQ(name(check_for(1)), "store");
  dog_.forget(one_);
  EXPECT_EQ(name(check_for(100)), "");
}

}  // namespace
}  // namespace preload
