// SPDX-License-Identifier: Apache-2.0
#include "preload/base/watchdog.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace preload {
namespace {

class WatchdogTest : public testing::Test {
 protected:
  // `seconds` looks, one a second; what the last of them found.
  std::optional<Watchdog::Stuck> look_for(int seconds) {
    std::optional<Watchdog::Stuck> stuck;
    for (int i = 0; i < seconds; ++i) {
      clock_.advance_us(kMicrosPerSecond);
      stuck = dog_.look();
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
  const auto first = dog_.watch({"first", &one_});
  const auto second = dog_.watch({"second", &two_});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(name(look_for(1)), "") << i;
    two_.beat();
  }
  const auto stuck = look_for(1);
  EXPECT_EQ(name(stuck), "first");
  EXPECT_EQ(stuck->seconds, 5);
  EXPECT_FALSE(stuck->bearable);
  EXPECT_EQ(metrics_.get(Metric::kStageSilence), 5U);
  one_.beat();
  EXPECT_EQ(name(look_for(1)), "");
}

TEST_F(WatchdogTest, RestingIsNoSilence) {
  dog_.set_bound(5);
  bool resting = true;
  const auto watch = dog_.watch({"listener", &one_, [&] { return resting; }});
  EXPECT_EQ(name(look_for(100)), "");
  resting = false;
  EXPECT_EQ(name(look_for(4)), "");
  EXPECT_EQ(name(look_for(1)), "listener");
}

TEST_F(WatchdogTest, PatienceIsToldAndEnds) {
  dog_.set_bound(5);
  const auto relay = dog_.watch({"relay", &one_, {}, 3});
  EXPECT_EQ(name(look_for(5)), "");
  const auto early = look_for(1);
  EXPECT_EQ(name(early), "relay");
  EXPECT_TRUE(early->bearable);
  // One that is over its own patience comes first.
  const auto store = dog_.watch({"store", &two_});
  EXPECT_EQ(name(look_for(5)), "store");
  two_.beat();
  EXPECT_FALSE(look_for(5)->bearable);
}

TEST_F(WatchdogTest, TimeInWhichItDidNotRunItselfCountsForNobody) {
  dog_.set_bound(5);
  const auto watch = dog_.watch({"store", &one_});
  look_for(2);
  clock_.advance_us(3600 * kMicrosPerSecond);  // the machine was suspended
  EXPECT_EQ(name(dog_.look()), "");
}

TEST_F(WatchdogTest, ZeroWatchesNobodyAndAnEndedWatchNeither) {
  dog_.set_bound(0);
  auto watch = dog_.watch({"store", &one_});
  EXPECT_EQ(name(look_for(100)), "");
  dog_.set_bound(5);
  EXPECT_EQ(name(look_for(1)), "store");
  { const auto ended = std::move(watch); }
  EXPECT_EQ(name(look_for(100)), "");
}

}  // namespace
}  // namespace preload
