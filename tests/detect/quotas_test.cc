// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/quotas.h"

#include <random>

#include <gtest/gtest.h>

#include "preload/base/clock.h"
#include "preload/base/config.h"

namespace preload {
namespace {

constexpr int64_t kNow = 1'795'484'879'000'000;
constexpr int64_t kInterval = 300 * kMicrosPerSecond;

ExecEvent of_user(uint32_t uid, uint32_t auid = kUnsetId) {
  ExecEvent event;
  event.uid = uid;
  event.auid = auid;
  return event;
}

Quotas make_shares(uint32_t max_alerts) {
  Quotas shares;
  shares.set_limits(kInterval, max_alerts);
  return shares;
}

// How many of `attempts` alerts a user may raise.
int raise(Quotas& shares, const ExecEvent& event, int attempts,
          int64_t now_us = kNow) {
  int raised = 0;
  for (int i = 0; i < attempts; ++i)
    raised += shares.take_alert(event, now_us) ? 1 : 0;
  return raised;
}

TEST(Quotas, RootMayTakeAll) {
  Quotas shares = make_shares(100);
  EXPECT_EQ(raise(shares, of_user(0), 1000), 100);
}

TEST(Quotas, OneUserLeavesHalf) {
  Quotas shares = make_shares(100);
  EXPECT_EQ(raise(shares, of_user(1000), 1'000'000), 50);
  EXPECT_EQ(raise(shares, of_user(1001), 10), 10);
  EXPECT_EQ(raise(shares, of_user(0), 10), 10);
}

TEST(Quotas, SeveralLeaveSomethingToo) {
  Quotas shares = make_shares(100);
  for (uint32_t user = 1000; user < 1005; ++user)
    EXPECT_GT(raise(shares, of_user(user), 1000), 0);
  EXPECT_EQ(raise(shares, of_user(0), 1), 1);
}

TEST(Quotas, OneAlertIsEverybodys) {
  Quotas shares = make_shares(1);
  EXPECT_EQ(raise(shares, of_user(1000), 5), 1);
}

TEST(Quotas, TheLoginUserCounts) {
  Quotas shares = make_shares(100);
  // Set-uid programs and user namespaces change the uid, not the loginuid.
  int raised = 0;
  for (uint32_t uid = 100'000; uid < 100'200; ++uid)
    raised += raise(shares, of_user(uid, 1000), 1);
  raised += raise(shares, of_user(0, 1000), 100);
  EXPECT_EQ(raised, 50);
}

TEST(Quotas, RootOfAContainerIsNotRoot) {
  Quotas shares = make_shares(100);
  ExecEvent event = of_user(0);
  int raised = 0;
  for (int i = 0; i < 1000; ++i) {
    event.container = "c" + std::to_string(i % 7);
    raised += raise(shares, event, 1);
  }
  EXPECT_EQ(raised, 50);
  EXPECT_EQ(raise(shares, of_user(0), 100), 50);
}

TEST(Quotas, UsersOfAContainerAreNotUsersOfTheMachine) {
  Quotas shares = make_shares(100);
  ExecEvent event;
  event.container = "c";
  int raised = 0;
  for (event.uid = 0; event.uid < 1000; ++event.uid)
    raised += raise(shares, event, 1);
  EXPECT_EQ(raised, 50);
  event.uid = 0;
  EXPECT_TRUE(shares.take_space(event, Quotas::kMaxNewBytes, kNow));
  event.uid = 7;
  EXPECT_FALSE(shares.take_space(event, 1, kNow));
  // Who logged in on the machine and runs one is that user.
  event.auid = 1000;
  EXPECT_TRUE(shares.take_space(event, 1, kNow));
  EXPECT_EQ(raise(shares, of_user(0), 100), 50);
}

TEST(Quotas, SummaryTellsTheWorstUsers) {
  Quotas shares = make_shares(1);
  ASSERT_TRUE(shares.take_alert(of_user(0), kNow));
  for (uint32_t user = 0; user < 15; ++user)
    raise(shares, of_user(1000 + user), static_cast<int>(user) + 1);
  const auto summary = shares.take_overruns(kNow + kInterval);
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(summary->capped, 15U * 16 / 2);
  ASSERT_EQ(summary->users.size(), 10U);
  EXPECT_EQ(summary->users[0].owner.uid, 1014U);
  EXPECT_EQ(summary->users[0].capped, 15U);
  EXPECT_EQ(summary->more_users, 5U);
  EXPECT_EQ(summary->since_us, kNow);
  EXPECT_EQ(summary->until_us, kNow + kInterval);
  EXPECT_EQ(to_string(OverrunSummary{
                kNow, kNow + kInterval, 3, 2, {{{kUnsetId, true}, 3, 2}}, 1}),
            "capped=3 flooded=2 since=2026-11-24T01:47:59.000Z "
            "until=2026-11-24T01:52:59.000Z "
            "uids=\"in containers: 3 capped, 2 flooded, and 1 more\"");
}

TEST(Quotas, NothingRefusedNothingSaid) {
  Quotas shares = make_shares(10);
  EXPECT_EQ(raise(shares, of_user(0), 10), 10);
  EXPECT_FALSE(shares.take_overruns(kNow + kInterval));
}

TEST(Quotas, IntervalsBeginWithTheirFirstAlert) {
  Quotas shares = make_shares(1);
  EXPECT_EQ(raise(shares, of_user(0), 2, kNow), 1);
  EXPECT_EQ(raise(shares, of_user(0), 1, kNow + kInterval - 1), 0);
  EXPECT_EQ(raise(shares, of_user(0), 1, kNow + 3 * kInterval / 2), 1);
  EXPECT_EQ(raise(shares, of_user(0), 1, kNow + 2 * kInterval), 0);
}

TEST(Quotas, AClockSetBackDoesNotFreezeAnInterval) {
  Quotas shares = make_shares(1);
  EXPECT_EQ(raise(shares, of_user(0), 2, kNow), 1);
  const int64_t back = kNow - 3600 * kMicrosPerSecond;
  EXPECT_EQ(raise(shares, of_user(0), 1, back), 0);
  EXPECT_EQ(raise(shares, of_user(0), 1, back + kInterval), 1);
  const auto summary = shares.take_overruns(back + kInterval);
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(summary->capped, 2U);
}

TEST(Quotas, SpaceIsBoundPerUserAndDayByCountAndBytes) {
  Quotas shares = make_shares(10);
  for (uint64_t i = 0; i < Quotas::kMaxNewTerms; ++i)
    ASSERT_TRUE(shares.take_space(of_user(1000), 10, kNow));
  EXPECT_FALSE(shares.take_space(of_user(1000), 10, kNow));
  EXPECT_FALSE(shares.take_space(of_user(1000), 10, kNow + 2 * kInterval));
  EXPECT_TRUE(shares.take_space(of_user(1001), 10, kNow));
  EXPECT_FALSE(
      shares.take_space(of_user(1002), Quotas::kMaxNewBytes + 1, kNow));
  EXPECT_TRUE(shares.take_space(of_user(0), Quotas::kMaxNewBytes + 1, kNow));
  const int64_t tomorrow = kNow + kDay * kMicrosPerSecond;
  EXPECT_TRUE(shares.take_space(of_user(1000), 10, tomorrow));
  const auto summary = shares.take_overruns(tomorrow);
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(summary->flooded, 3U);
  EXPECT_EQ(summary->capped, 0U);
}

// Whatever users and clocks do, each refusal is told in exactly one summary.
TEST(Quotas, EachRefusalIsToldOnce) {
  std::mt19937 random(4);
  Quotas shares = make_shares(20);
  uint64_t refused = 0;
  uint64_t told = 0;
  int64_t now = kNow;
  const auto take = [&] {
    if (const auto summary = shares.take_overruns(now))
      told += summary->capped + summary->flooded;
  };
  for (int round = 0; round < 100'000; ++round) {
    now += static_cast<int64_t>(random() % 1'000'000);
    if (random() % 1000 == 0)
      now -= 3600 * kMicrosPerSecond;
    if (random() % 1000 == 0)
      now += 3600 * kMicrosPerSecond;
    const ExecEvent event = of_user(static_cast<uint32_t>(random() % 3000));
    refused += shares.take_space(event, 100, now) ? 0U : 1U;
    refused += shares.take_alert(event, now) ? 0U : 1U;
    if (random() % 100 == 0)
      take();
  }
  now += 2 * kInterval;
  take();
  EXPECT_GT(refused, 10'000U);
  EXPECT_EQ(told, refused);
}

}  // namespace
}  // namespace preload
