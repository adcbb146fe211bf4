// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/new_terms.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "preload/base/clock.h"
#include "support/fake_history.h"

namespace preload {
namespace {

constexpr int64_t kNow = 1'795'484'879'000'000;
constexpr int64_t kSecond = kMicrosPerSecond;
constexpr int64_t kHour = 3600 * kSecond;

Rule make_rule_of(uint32_t max_alerts = 100) {
  Rule rule;
  rule.history_window_us = 24 * kHour;
  rule.interval_us = 300 * kSecond;
  rule.max_alerts = max_alerts;
  return rule;
}

ExecEvent make_event(const std::string& value, int64_t time_us = kNow,
                     uint32_t uid = 0) {
  ExecEvent event;
  event.time_us = time_us;
  event.uid = uid;
  event.env = {{"LD_PRELOAD", value}};
  return event;
}

class NewTermsTest : public ::testing::Test {
 protected:
  std::vector<Verdict> decide(const ExecEvent& event, int64_t now_us) {
    const auto decisions = detector_.decide(event, now_us, history_);
    EXPECT_TRUE(decisions.has_value());
    std::vector<Verdict> verdicts;
    for (const Decision& decision : *decisions)
      verdicts.push_back(decision.verdict);
    history_.record(event, *decisions);
    return verdicts;
  }
  Verdict decide(const std::string& value, int64_t time_us = kNow,
                 uint32_t uid = 0) {
    return decide(make_event(value, time_us, uid), time_us).at(0);
  }
  void except(const std::string& text) {
    Rule rule = detector_.rule();
    const auto exception = parse_exception({1, text});
    ASSERT_TRUE(exception.has_value());
    rule.exceptions.push_back(*exception);
    detector_.set_rule(std::move(rule));
  }

  FakeHistory history_;
  NewTerms detector_{make_rule_of()};
};

TEST_F(NewTermsTest, AlertsOncePerValue) {
  EXPECT_EQ(decide("/a.so"), Verdict::kNew);
  EXPECT_EQ(decide("/a.so", kNow + 1), Verdict::kKnown);
  EXPECT_EQ(decide("/b.so", kNow + 2), Verdict::kNew);
  EXPECT_EQ(decide("", kNow + 3), Verdict::kNew);
}

TEST_F(NewTermsTest, EachNewValueOfAnExecAlerts) {
  ExecEvent event = make_event("/a.so");
  event.env.push_back({"LD_PRELOAD", "/b.so"});
  event.env.push_back({"LD_PRELOAD", "/a.so"});
  EXPECT_EQ(decide(event, kNow), (std::vector{Verdict::kNew, Verdict::kNew}));
}

TEST_F(NewTermsTest, WindowSlidesWithEachSighting) {
  EXPECT_EQ(decide("/a.so", kNow), Verdict::kNew);
  EXPECT_EQ(decide("/a.so", kNow + 20 * kHour), Verdict::kKnown);
  EXPECT_EQ(decide("/a.so", kNow + 44 * kHour), Verdict::kKnown);  // exactly
  EXPECT_EQ(decide("/a.so", kNow + 68 * kHour + 1), Verdict::kNew);
}

TEST_F(NewTermsTest, WindowOfZeroIsForEver) {
  Rule rule = make_rule_of();
  rule.history_window_us = 0;
  detector_.set_rule(rule);
  EXPECT_EQ(decide("/a.so", kNow), Verdict::kNew);
  EXPECT_EQ(decide("/a.so", kNow + 100'000 * kHour), Verdict::kKnown);
}

TEST_F(NewTermsTest, LateEventOfAKnownValueIsKnown) {
  EXPECT_EQ(decide("/a.so", kNow), Verdict::kNew);
  EXPECT_EQ(decide("/a.so", kNow - 1000 * kHour), Verdict::kKnown);
  // Nor does it shorten the window.
  EXPECT_EQ(decide("/a.so", kNow + 24 * kHour), Verdict::kKnown);
}

TEST_F(NewTermsTest, ExceptedIsRecordedButNoHistory) {
  except("process.env_vars:LD_PRELOAD=/a*");
  EXPECT_EQ(decide("/a.so"), Verdict::kExcepted);
  EXPECT_EQ(decide("/b.so"), Verdict::kNew);
  detector_.set_rule(make_rule_of());
  EXPECT_EQ(decide("/a.so", kNow + 1), Verdict::kNew);
}

TEST_F(NewTermsTest, ExceptionsApplyPerValue) {
  except("process.name:none");
  except("process.env_vars:LD_PRELOAD=/a.so");
  ExecEvent event = make_event("/a.so");
  event.env.push_back({"LD_PRELOAD", "/evil.so"});
  const auto decisions = detector_.decide(event, kNow, history_);
  ASSERT_EQ(decisions->size(), 2U);
  EXPECT_EQ((*decisions)[0].verdict, Verdict::kExcepted);
  EXPECT_EQ((*decisions)[0].exception, 1U);
  EXPECT_EQ((*decisions)[1].verdict, Verdict::kNew);
  EXPECT_FALSE((*decisions)[1].exception);
}

TEST_F(NewTermsTest, ExceptedSightingDoesNotKeepAValueKnown) {
  EXPECT_EQ(decide("/a.so", kNow), Verdict::kNew);
  except("user.id:1000");
  EXPECT_EQ(decide("/a.so", kNow + 20 * kHour, 1000), Verdict::kExcepted);
  EXPECT_EQ(decide("/a.so", kNow + 30 * kHour, 0), Verdict::kNew);
}

TEST_F(NewTermsTest, LearnsThenAlerts) {
  Rule rule = make_rule_of();
  rule.learning_until_us = kNow + 10;
  detector_.set_rule(rule);
  EXPECT_EQ(decide("/a.so", kNow), Verdict::kLearned);
  EXPECT_EQ(decide("/a.so", kNow + 9), Verdict::kKnown);
  EXPECT_EQ(decide("/a.so", kNow + 10), Verdict::kKnown);
  EXPECT_EQ(decide("/b.so", kNow + 10), Verdict::kNew);
}

TEST_F(NewTermsTest, InventoryIsBaselineOnlyForANewDatabase) {
  Rule rule = make_rule_of();
  rule.inventory_is_baseline = true;
  detector_.set_rule(rule);
  ExecEvent event = make_event("/a.so");
  event.origin = Origin::kInventory;
  EXPECT_EQ(decide(event, kNow).at(0), Verdict::kBaseline);
  EXPECT_EQ(decide("/a.so"), Verdict::kKnown);
  EXPECT_EQ(decide("/b.so"), Verdict::kNew);
  detector_.set_rule(make_rule_of());
  EXPECT_EQ(decide(event, kNow).at(0), Verdict::kKnown);
  event.env[0].value = "/c.so";
  EXPECT_EQ(decide(event, kNow).at(0), Verdict::kNew);
}

TEST_F(NewTermsTest, AProcessMayRunForLongerThanTheWindow) {
  EXPECT_EQ(decide("/a.so"), Verdict::kNew);
  ExecEvent event = make_event("/a.so", kNow + 40 * kHour);
  event.origin = Origin::kInventory;
  EXPECT_EQ(decide(event, event.time_us).at(0), Verdict::kKnown);
  event.env[0].value = "/b.so";
  EXPECT_EQ(decide(event, event.time_us).at(0), Verdict::kNew);
}

// What an event takes on disk was summed up for each of its values: seconds of
// the store thread for an exec with as many as fit.
TEST_F(NewTermsTest, AnExecOfManyValuesIsPaidOnceAndDecidedFast) {
  ExecEvent event = make_event("", kNow, 1000);
  event.env.clear();
  for (int i = 0; i < 20'000; ++i)
    event.env.push_back({"LD_PRELOAD", "/many/" + std::to_string(i)});
  const auto verdicts = decide(event, kNow);
  const auto count = [&](Verdict verdict) {
    return std::count(verdicts.begin(), verdicts.end(), verdict);
  };
  EXPECT_EQ(count(Verdict::kNew), 50);
  EXPECT_EQ(count(Verdict::kCapped), int64_t{Quotas::kMaxNewTerms} - 50);
  EXPECT_EQ(count(Verdict::kFlooded), 10'000);
}

TEST_F(NewTermsTest, RecordedUnauditedExecDoesNotSilenceAnAuditedOne) {
  Rule rule = make_rule_of();
  rule.alert_unaudited = false;
  detector_.set_rule(rule);
  ExecEvent event = make_event("/a.so");
  event.origin = Origin::kUnaudited;
  EXPECT_EQ(decide(event, kNow).at(0), Verdict::kRecorded);
  EXPECT_EQ(decide(event, kNow).at(0), Verdict::kRecorded);
  EXPECT_EQ(decide("/a.so"), Verdict::kNew);
  EXPECT_EQ(decide(event, kNow).at(0), Verdict::kKnown);
}

TEST_F(NewTermsTest, UnauditedAlertsByDefault) {
  ExecEvent event = make_event("/a.so");
  event.origin = Origin::kUnaudited;
  EXPECT_EQ(decide(event, kNow).at(0), Verdict::kNew);
}

TEST_F(NewTermsTest, OverTheCapIsKeptAndSummedUpOnce) {
  detector_.set_rule(make_rule_of(3));
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(decide(std::to_string(i), kNow + i),
              i < 3 ? Verdict::kNew : Verdict::kCapped);
  EXPECT_EQ(decide("9", kNow + 20), Verdict::kKnown);
  EXPECT_FALSE(detector_.take_overruns(kNow + 299 * kSecond));
  const auto summary = detector_.take_overruns(kNow + 300 * kSecond);
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(summary->capped, 7U);
  EXPECT_FALSE(detector_.take_overruns(kNow + 301 * kSecond));
  EXPECT_EQ(decide("next", kNow + 302 * kSecond), Verdict::kNew);
}

TEST_F(NewTermsTest, KnownTermsNeverSufferFromLimits) {
  for (uint64_t i = 0; i < Quotas::kMaxNewTerms; ++i)
    decide(std::to_string(i), kNow, 1000);
  EXPECT_EQ(decide("one more", kNow, 1000), Verdict::kFlooded);
  EXPECT_EQ(history_.size(), Quotas::kMaxNewTerms);
  EXPECT_EQ(decide("0", kNow, 1000), Verdict::kKnown);
  EXPECT_EQ(decide("one more", kNow, 1001), Verdict::kNew);
}

TEST_F(NewTermsTest, ExceptedAndRecordedValuesTakeSpaceOnce) {
  except("user.id:1000");
  for (uint64_t i = 0; i < 3 * Quotas::kMaxNewTerms; ++i)
    ASSERT_EQ(decide(std::to_string(i % 100), kNow, 1000), Verdict::kExcepted);
  for (uint64_t i = 100; i < Quotas::kMaxNewTerms; ++i)
    ASSERT_EQ(decide(std::to_string(i), kNow, 1000), Verdict::kExcepted);
  EXPECT_EQ(decide("one more", kNow, 1000), Verdict::kFlooded);
  EXPECT_EQ(decide("0", kNow, 1000), Verdict::kExcepted);
}

class BrokenHistory final : public History {
 public:
  Result<std::optional<int64_t>> last_counted(const Digest& /*t*/) override {
    return fail("no database");
  }
  Result<bool> stored(const Digest& /*term*/) override {
    return fail("no database");
  }
};

TEST_F(NewTermsTest, AnErrorOfTheHistoryIsPassedOn) {
  BrokenHistory broken;
  const auto decisions = detector_.decide(make_event("/a.so"), kNow, broken);
  ASSERT_FALSE(decisions.has_value());
  EXPECT_EQ(decisions.error().message(), "no database");
}

TEST(Verdict, CountsAsHistoryOrNot) {
  for (const Verdict v : {Verdict::kKnown, Verdict::kNew, Verdict::kCapped,
                          Verdict::kLearned, Verdict::kBaseline})
    EXPECT_TRUE(counts_as_history(v)) << static_cast<int>(v);
  for (const Verdict v :
       {Verdict::kExcepted, Verdict::kRecorded, Verdict::kFlooded})
    EXPECT_FALSE(counts_as_history(v)) << static_cast<int>(v);
}

TEST(Rule, IsTheConfigurationsOwn) {
  const auto config = parse_config(
      "history_window = 5d\ninterval = 1m\nmax_alerts = 7\n"
      "new_terms_fields = user.id,process.env_vars\nlearning_period = 1d\n"
      "unaudited = record\nexception = user.id:0\n",
      "test.conf");
  ASSERT_TRUE(config.has_value()) << config.error().message();
  const auto rule = make_rule(*config, "test.conf", 1'000);
  ASSERT_TRUE(rule.has_value());
  EXPECT_EQ(rule->fields, config->new_terms_fields);
  EXPECT_EQ(rule->history_window_us, 5 * kDay * kMicrosPerSecond);
  EXPECT_EQ(rule->interval_us, kMinute * kMicrosPerSecond);
  EXPECT_EQ(rule->max_alerts, 7U);
  EXPECT_EQ(rule->learning_until_us, kDay * kMicrosPerSecond + 1'000);
  EXPECT_FALSE(rule->alert_unaudited);
  ASSERT_EQ(rule->exceptions.size(), 1U);
  EXPECT_EQ(rule->exceptions[0].line, 7);
}

TEST(Rule, DefaultsDoNotLearnAndAlertUnaudited) {
  const auto rule = make_rule(Config{}, "test.conf", 1'000);
  ASSERT_TRUE(rule.has_value());
  EXPECT_EQ(rule->learning_until_us, 0);
  EXPECT_TRUE(rule->alert_unaudited);
  EXPECT_FALSE(rule->inventory_is_baseline);
}

TEST(Rule, ErrorNamesFileAndLine) {
  const auto config =
      parse_config("# one\nexception = user.nmae:bob\n", "test.conf");
  ASSERT_TRUE(config.has_value());
  const auto rule = make_rule(*config, "test.conf", 0);
  ASSERT_FALSE(rule.has_value());
  const std::string message = rule.error().message();
  EXPECT_TRUE(
      message.starts_with("test.conf:2: exception: unknown field 'user.nmae'"))
      << message;
  EXPECT_NE(message.find("user.name"), std::string::npos);
}

}  // namespace
}  // namespace preload
