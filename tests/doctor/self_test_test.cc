// SPDX-License-Identifier: Apache-2.0
// The database is real; what the plugin would do, a test does by hand.
#include "preload/doctor/self_test.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdio>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "preload/store/store.h"
#include "support/events.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class SelfTesting : public testing::Test {
 protected:
  SelfTesting() {
    test_.database = dir_ / "history.db";
    test_.variable = "LD_PRELOAD";
    test_.value = "/nonexistent/audisp-preload-self-test-1";
    test_.timeout_ms = 50;
    auto opened = Store::open(test_.database, clock_);
    EXPECT_TRUE(opened.has_value());
    store_ = std::move(*opened);
    EXPECT_TRUE(
        store_->set_sinks(std::vector<std::string>{"syslog"}).has_value());
    // A term of before, with the same value as some other variable.
    store(exec_event("/old"), Verdict::kNew);
  }

  std::vector<Alert> store(const ExecEvent& event, Verdict verdict) {
    const std::vector<Decision> decisions{
        decision(event.env[0].value, verdict)};
    EXPECT_TRUE(store_->begin().has_value());
    auto alerts = store_->record(shared(event), decisions, {"low", 21});
    EXPECT_TRUE(alerts.has_value());
    EXPECT_TRUE(store_->commit().has_value());
    return std::move(*alerts);
  }
  // Stores what the program's exec leads to; sends the alert or not.
  void react(Verdict verdict, bool send = true, bool audited = true) {
    test_.start = [=, this](const std::string& variable,
                            const std::string& value) -> Status {
      EXPECT_EQ(variable, "LD_PRELOAD");
      const auto alerts =
          store(audited ? exec_event(value) : unaudited_event(value), verdict);
      if (send && !alerts.empty() && !alerts[0].capped)
        return store_->set_position("syslog", alerts[0].alert_id);
      return {};
    };
  }
  // The verdict and what is said.
  std::pair<bool, std::string> outcome() {
    const SelfTestResult result = run_self_test(test_);
    return {result.passed, result.line};
  }

  FakeClock clock_;
  TempDir dir_;
  std::unique_ptr<Store> store_;
  SelfTest test_;
};

TEST_F(SelfTesting, PassesWhenTheAlertIsSent) {
  react(Verdict::kNew);
  const auto [passed, words] = outcome();
  EXPECT_TRUE(passed);
  EXPECT_THAT(words, AllOf(StartsWith("ok    self-test: exec to stored "),
                           HasSubstr("capture=exec"),
                           HasSubstr("audit=1795484879.068:1234"),
                           HasSubstr("alert=2")));
}

TEST_F(SelfTesting, WaitsForStagesThatTakeTheirTime) {
  std::thread plugin;
  test_.timeout_ms = 10'000;
  test_.start = [&](const std::string&, const std::string& value) -> Status {
    plugin = std::thread([this, value] {
      ::usleep(30'000);
      const auto alerts = store(exec_event(value), Verdict::kNew);
      ::usleep(50'000);
      EXPECT_TRUE(
          store_->set_position("syslog", alerts[0].alert_id).has_value());
    });
    return {};
  };
  const auto [passed, line] = outcome();
  plugin.join();
  EXPECT_TRUE(passed);
  int stored_ms = 0;
  int sent_ms = 0;
  ASSERT_EQ(std::sscanf(line.c_str(),
                        "ok self-test: exec to stored %d ms, to sent %d ms",
                        &stored_ms, &sent_ms),
            2)
      << line;
  EXPECT_GE(stored_ms, 30);
  EXPECT_GE(sent_ms, stored_ms + 40);
}

TEST_F(SelfTesting, SaysWhichStageDidNotHappen) {
  test_.start = [](const std::string&, const std::string&) -> Status {
    return {};
  };
  EXPECT_THAT(
      outcome().second,
      AllOf(StartsWith("FAIL  self-test: not captured"), HasSubstr("--check")));

  test_.value += "-pending";
  react(Verdict::kNew, false);
  EXPECT_THAT(outcome(),
              testing::Pair(false, AllOf(StartsWith("FAIL"),
                                         HasSubstr("alert=2 was not sent"),
                                         HasSubstr("--check"))));
  test_.value += "-recorded";
  react(Verdict::kRecorded, true, false);
  EXPECT_THAT(outcome(),
              testing::Pair(false, AllOf(StartsWith("FAIL"),
                                         HasSubstr("captured but no alert"),
                                         HasSubstr("origin unaudited"))));
  test_.value += "-excepted";
  react(Verdict::kExcepted);
  EXPECT_THAT(outcome(), testing::Pair(false, HasSubstr("an exception")));
}

TEST_F(SelfTesting, PassesWhenSilenceIsConfigured) {
  react(Verdict::kCapped);
  EXPECT_THAT(outcome(), testing::Pair(true, HasSubstr("capped")));
  test_.value += "-learned";
  react(Verdict::kLearned);
  EXPECT_THAT(outcome(), testing::Pair(true, HasSubstr("learning period")));
}

TEST_F(SelfTesting, SaysThatAuditDidNotReport) {
  react(Verdict::kNew, true, false);
  EXPECT_THAT(outcome(), testing::Pair(true, AllOf(HasSubstr("audit=none"),
                                                   HasSubstr("exec rules"))));
}

TEST_F(SelfTesting, FailsWithoutADatabase) {
  test_.database = dir_ / "none.db";
  EXPECT_THAT(outcome(), testing::Pair(false, HasSubstr("not there yet")));
}

TEST(SelfTestVariable, IsOneThatIsWatched) {
  const auto of = [](const std::vector<std::string>& watched) {
    return self_test_variable(watched);
  };
  EXPECT_EQ(of({"LD_PRELOAD", "LD_AUDIT"}), "LD_PRELOAD");
  EXPECT_EQ(of({"LD_AUDIT", "LD_*"}), "LD_PRELOAD");
  EXPECT_EQ(of({"*"}), "LD_PRELOAD");
  EXPECT_EQ(of({"LD_AUDIT", "BASH_ENV"}), "LD_AUDIT");
  EXPECT_EQ(of({"PYTHON*"}), "PYTHON");
}

}  // namespace
}  // namespace preload
