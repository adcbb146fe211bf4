// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/distributor.h"

#include <cerrno>
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "samples.h"
#include "support/fake_clock.h"

namespace preload {
namespace {

constexpr int64_t kMilli = 1'000;  // microseconds

// What a sink took and how it answers; outlives the sink.
struct Script {
  std::vector<int64_t> taken;
  int events = 0;
  int attempts = 0;
  int reopened = 0;
  int error = 0;                       // errno that every delivery gives
  std::map<int64_t, int> alert_error;  // by id
};

class ScriptedSink final : public Sink {
 public:
  ScriptedSink(std::string name, Script& script)
      : name_(std::move(name)), script_(script) {}
  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] Status deliver(const Alert& alert) override {
    ++script_.attempts;
    const auto own = script_.alert_error.find(alert.alert_id);
    const int error =
        own == script_.alert_error.end() ? script_.error : own->second;
    if (error != 0)
      return fail("scripted", error);
    script_.taken.push_back(alert.alert_id);
    return {};
  }
  [[nodiscard]] Status deliver_event(const ExecEvent&) override {
    ++script_.events;
    return {};
  }
  void reopen() override { ++script_.reopened; }

 private:
  std::string name_;
  Script& script_;
};

Alert numbered(int64_t id) {
  Alert alert = sample_alert();
  alert.alert_id = id;
  alert.raised_at_us += id;
  return alert;
}

using Ids = std::vector<int64_t>;

class DistributorTest : public testing::Test {
 protected:
  Distributor::Sinks sinks() {
    Distributor::Sinks list;
    list.push_back(std::make_unique<ScriptedSink>("a", a_));
    list.push_back(std::make_unique<ScriptedSink>("b", b_));
    return list;
  }
  void add(int64_t first, int64_t last) {
    for (int64_t id = first; id <= last; ++id)
      distributor_.add(numbered(id));
    distributor_.run();
  }
  void pass_ms(int64_t ms) {
    clock_.advance_us(ms * kMilli);
    distributor_.run();
  }
  static Ids range(int64_t first, int64_t last) {
    Ids ids;
    for (int64_t id = first; id <= last; ++id)
      ids.push_back(id);
    return ids;
  }

  Script a_, b_;
  Metrics metrics_;
  FakeClock clock_;
  Distributor distributor_{sinks(), metrics_, clock_, {1'000, 30'000}};
};

TEST_F(DistributorTest, EverySinkInOrderThenAcknowledged) {
  add(1, 3);
  EXPECT_EQ(a_.taken, range(1, 3));
  EXPECT_EQ(b_.taken, range(1, 3));
  EXPECT_EQ(distributor_.take_acknowledged(), range(1, 3));
  EXPECT_TRUE(distributor_.take_acknowledged().empty());
  EXPECT_TRUE(distributor_.idle());
  EXPECT_EQ(distributor_.bytes(), 0U);
  EXPECT_EQ(metrics_.get(Metric::kAlertsSent), 3U);
}

TEST_F(DistributorTest, OneThatFailsHoldsUpOnlyItself) {
  b_.error = ECONNREFUSED;
  add(1, 2);
  EXPECT_EQ(a_.taken, range(1, 2));
  EXPECT_TRUE(distributor_.take_acknowledged().empty());
  EXPECT_EQ(distributor_.size(), 2U);
  b_.error = 0;
  pass_ms(999);
  EXPECT_TRUE(b_.taken.empty());
  pass_ms(1);
  EXPECT_EQ(b_.taken, range(1, 2));
  EXPECT_EQ(a_.taken, range(1, 2));
  EXPECT_EQ(distributor_.take_acknowledged(), range(1, 2));
}

TEST_F(DistributorTest, WaitsTwiceAsLongEachTimeUpToTheMost) {
  b_.error = ENOSPC;
  add(1, 1);
  for (const int64_t ms : {1, 2, 4, 8, 16, 30, 30}) {
    ASSERT_EQ(distributor_.wait_ns(), ms * kNanosPerSecond);
    const int before = b_.attempts;
    pass_ms(ms * 1'000 - 1);
    ASSERT_EQ(b_.attempts, before);
    pass_ms(1);
    ASSERT_EQ(b_.attempts, before + 1);
  }
  EXPECT_EQ(metrics_.get(Metric::kDeliveryErrors), 8U);
  b_.error = 0;
  pass_ms(30'000);
  EXPECT_FALSE(distributor_.wait_ns());
  b_.error = ENOSPC;  // begins anew
  add(2, 2);
  EXPECT_EQ(distributor_.wait_ns(), kNanosPerSecond);
}

TEST_F(DistributorTest, LogsTheBeginningAndTheEndOfAFailure) {
  testing::internal::CaptureStderr();
  b_.error = ENOSPC;
  add(1, 3);
  for (int i = 0; i < 5; ++i)
    pass_ms(30'000);
  b_.error = 0;
  pass_ms(30'000);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 2) << log;
  EXPECT_NE(log.find("cannot deliver alerts to b: scripted: No space left"),
            std::string::npos);
  EXPECT_NE(log.find("delivered to b again, after 6 failed attempts"),
            std::string::npos);
}

TEST_F(DistributorTest, AnAlertThatCanNeverBeSentBlocksNothing) {
  a_.alert_error[2] = EMSGSIZE;
  b_.alert_error[3] = EINVAL;
  add(1, 4);
  EXPECT_EQ(a_.taken, (Ids{1, 3, 4}));
  EXPECT_EQ(b_.taken, (Ids{1, 2, 4}));
  EXPECT_EQ(distributor_.take_acknowledged(), range(1, 4));
  EXPECT_EQ(metrics_.get(Metric::kDeliveryErrors), 2U);
}

TEST_F(DistributorTest, AnAlertThatIsNotStoredIsNotAcknowledged) {
  distributor_.add(numbered(0));
  add(1, 1);
  EXPECT_EQ(a_.taken, (Ids{0, 1}));
  EXPECT_EQ(distributor_.take_acknowledged(), Ids{1});
}

TEST_F(DistributorTest, WithoutSinksEverythingIsDone) {
  distributor_.set_sinks({});
  add(1, 2);
  EXPECT_EQ(distributor_.take_acknowledged(), range(1, 2));
}

TEST_F(DistributorTest, MeasuresTheFirstDeliveryOfExecs) {
  Alert alert = numbered(1);
  alert.event.time_us = clock_.wall_us() - 30 * kMilli;
  distributor_.add(alert);
  alert.event.origin = Origin::kInventory;
  distributor_.add(alert);
  distributor_.add(summary_alert());
  distributor_.run();
  EXPECT_EQ(metrics_.latency().count, 1U);
  EXPECT_DOUBLE_EQ(metrics_.latency().sum_seconds, 0.03);
}

TEST_F(DistributorTest, ExecsSkipASinkThatFails) {
  b_.error = EIO;
  add(1, 1);
  distributor_.deliver_event(sample_alert().event);
  EXPECT_EQ(a_.events, 1);
  EXPECT_EQ(b_.events, 0);
}

TEST_F(DistributorTest, ReopenTriesAtOnce) {
  b_.error = EACCES;
  add(1, 1);
  b_.error = 0;
  distributor_.reopen();
  distributor_.run();
  EXPECT_EQ(b_.reopened, 1);
  EXPECT_EQ(b_.taken, Ids{1});
}

TEST_F(DistributorTest, NoAttemptAfterTheDeadline) {
  distributor_.stop_at(clock_.monotonic_ns());
  add(1, 1);
  EXPECT_EQ(a_.attempts, 0);
  EXPECT_EQ(distributor_.wait_ns(), 0);
}

TEST_F(DistributorTest, NewSinksOfTheSameNameGoOn) {
  b_.error = EIO;
  add(1, 2);
  Script c;
  Distributor::Sinks list;
  list.push_back(std::make_unique<ScriptedSink>("a", a_));
  list.push_back(std::make_unique<ScriptedSink>("c", c));
  distributor_.set_sinks(std::move(list));
  distributor_.run();
  EXPECT_EQ(a_.taken, range(1, 2));  // not again
  EXPECT_EQ(c.taken, range(1, 2));
  EXPECT_EQ(distributor_.take_acknowledged(), range(1, 2));
}

TEST_F(DistributorTest, ASinkLeftBehindGetsAllOfItLater) {
  b_.error = ENOSPC;
  add(1, 3);
  distributor_.leave_laggards_behind();
  EXPECT_EQ(distributor_.size(), 0U);
  EXPECT_FALSE(distributor_.idle());
  add(4, 5);
  EXPECT_EQ(a_.taken, range(1, 5));
  EXPECT_TRUE(distributor_.take_acknowledged().empty());
  EXPECT_FALSE(distributor_.take_rewind());

  b_.error = 0;
  pass_ms(1'000);
  EXPECT_EQ(b_.taken, Ids{1});
  ASSERT_EQ(distributor_.take_rewind(), 0);
  add(1, 6);  // the outbox again, and a new one
  EXPECT_EQ(a_.taken, range(1, 6));
  EXPECT_EQ(b_.taken, range(1, 6));
  EXPECT_EQ(distributor_.take_acknowledged(), range(1, 6));
  EXPECT_EQ(metrics_.get(Metric::kAlertsSent), 6U);
  EXPECT_TRUE(distributor_.idle());
}

TEST_F(DistributorTest, OneThatIsNotStoredDoesNotBringTheOthersAgain) {
  b_.error = ENOSPC;
  add(1, 3);
  distributor_.leave_laggards_behind();
  add(0, 0);
  b_.error = 0;
  pass_ms(1'000);
  ASSERT_EQ(distributor_.take_rewind(), 0);
  add(1, 3);
  EXPECT_EQ(a_.taken, (Ids{1, 2, 3, 0}));
  EXPECT_EQ(distributor_.take_acknowledged(), range(1, 3));
}

TEST_F(DistributorTest, NobodyIsLeftBehindByNobody) {
  a_.error = b_.error = EIO;
  add(1, 3);
  distributor_.leave_laggards_behind();
  EXPECT_EQ(distributor_.size(), 3U);  // the outbox waits
}

TEST_F(DistributorTest, IdsThatBeginAnewAreNotTakenForOldOnes) {
  b_.error = EIO;
  add(1, 9);
  distributor_.leave_laggards_behind();
  b_.error = 0;
  pass_ms(1'000);
  ASSERT_TRUE(distributor_.take_rewind());
  Alert fresh = numbered(1);  // of a new database
  fresh.raised_at_us += 1'000'000;
  distributor_.add(fresh);
  distributor_.run();
  EXPECT_EQ(a_.taken.back(), 1);
  EXPECT_EQ(a_.taken.size(), 10U);
  EXPECT_EQ(distributor_.take_acknowledged(), Ids{1});
}

TEST_F(DistributorTest, TakingAwayASinkThatIsBehindFreesItsAlerts) {
  b_.error = EIO;
  add(1, 2);
  distributor_.leave_laggards_behind();
  Distributor::Sinks list;
  list.push_back(std::make_unique<ScriptedSink>("a", a_));
  distributor_.set_sinks(std::move(list));
  ASSERT_EQ(distributor_.take_rewind(), 0);
  add(1, 2);
  EXPECT_EQ(a_.taken, range(1, 2));
  EXPECT_EQ(distributor_.take_acknowledged(), range(1, 2));
}

// An outbox, sinks that fail at random, and a window that is always too small.
TEST_F(DistributorTest, WhateverFailsEverySinkGetsEverythingInOrder) {
  testing::internal::CaptureStderr();
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    Script a, b, c;
    Distributor::Sinks list;
    list.push_back(std::make_unique<ScriptedSink>("a", a));
    list.push_back(std::make_unique<ScriptedSink>("b", b));
    list.push_back(std::make_unique<ScriptedSink>("c", c));
    Distributor relay(std::move(list), metrics_, clock_, {1'000, 4'000});
    constexpr size_t kWindow = 5;
    constexpr int64_t kAll = 120;
    std::map<int64_t, bool> pending;
    int64_t cursor = 0;
    int64_t raised = 0;
    const auto step = [&] {
      clock_.advance_us(static_cast<int64_t>(random() % 3'000) * kMilli);
      if (const auto after = relay.take_rewind())
        cursor = std::min(cursor, *after);
      bool refused = false;
      for (auto next = pending.upper_bound(cursor); next != pending.end();
           next = pending.upper_bound(cursor)) {
        refused = relay.size() >= kWindow;
        if (refused)
          break;
        relay.add(numbered(next->first));
        cursor = next->first;
      }
      relay.run();
      if (refused)
        relay.leave_laggards_behind();
      for (const int64_t id : relay.take_acknowledged())
        ASSERT_EQ(pending.erase(id), 1U) << "acknowledged twice: " << id;
    };
    while (raised < kAll) {
      for (size_t n = random() % 4; n > 0 && raised < kAll; --n)
        pending[++raised] = true;
      for (Script* script : {&a, &b, &c})
        if (random() % 4 == 0)
          script->error = random() % 3 == 0 ? 0 : EIO;
      step();
    }
    a.error = b.error = c.error = 0;
    for (int i = 0; i < 2'000 && !pending.empty(); ++i)
      step();
    ASSERT_TRUE(pending.empty()) << seed;
    ASSERT_TRUE(relay.idle());
    for (const Script* script : {&a, &b, &c})
      ASSERT_EQ(script->taken, range(1, kAll)) << seed;
  }
  (void)testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace preload
