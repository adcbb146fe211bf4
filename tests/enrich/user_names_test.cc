// SPDX-License-Identifier: Apache-2.0
#include "preload/enrich/user_names.h"

#include <atomic>
#include <future>
#include <memory>

#include <gtest/gtest.h>

#include "preload/correlate/exec_event.h"
#include "support/fake_clock.h"

namespace preload {
namespace {

TEST(UserNames, AreThoseOfTheSystem) {
  const FakeClock clock;
  UserNames names(clock);
  EXPECT_EQ(names.name_of(0), "root");
  EXPECT_EQ(names.name_of(kUnsetId), "");
  EXPECT_EQ(names.name_of(3'999'999'999), "");
}

TEST(UserNames, AreAskedForAgainWhenTheyAreOld) {
  FakeClock clock;
  auto asked = std::make_shared<std::atomic<int>>(0);
  UserNames names(clock, [asked](uint32_t uid) {
    ++*asked;
    return uid == 1 ? "one" : "";
  });
  const auto both = [&] {
    EXPECT_EQ(names.name_of(1), "one");
    EXPECT_EQ(names.name_of(2), "");
    return asked->load();
  };
  EXPECT_EQ(both(), 2);
  EXPECT_EQ(both(), 2);
  clock.advance_us(61 * kMicrosPerSecond);
  EXPECT_EQ(both(), 3);
  clock.advance_us(3600 * kMicrosPerSecond);
  EXPECT_EQ(both(), 5);
}

TEST(UserNames, OneThatHangsHoldsUpNoOther) {
  const FakeClock clock;
  auto release = std::make_shared<std::promise<void>>();
  const std::shared_future<void> released = release->get_future().share();
  UserNames names(clock, [released](uint32_t uid) {
    if (uid == 1)
      released.wait();
    return uid == 1 ? "one" : "two";
  });
  EXPECT_EQ(names.name_of(1), "");
  EXPECT_EQ(names.name_of(2), "two");
  release->set_value();
}

}  // namespace
}  // namespace preload
