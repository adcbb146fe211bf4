// SPDX-License-Identifier: Apache-2.0
// The store thread while its database refuses and while clocks step; see
// tests/pipeline for the same with the whole program.
#include "preload/daemon/history_worker.h"

#include <chrono>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class HistoryWorkerTest : public testing::Test {
 protected:
  HistoryWorkerTest() {
    config_.database = dir_ / "history.db";
    config_.max_alerts = 1'000'000;
  }

  std::unique_ptr<HistoryWorker> start() {
    Rule rule = must(make_rule(config_, "test.conf", clock_.wall_us()));
    return std::make_unique<HistoryWorker>(
        must(open_or_begin_anew(config_.database, clock_)), std::move(rule),
        config_, "test.conf", metrics_, clock_,
        OutboxFeed::Outlet{[this](const Alert& alert) { return take(alert); },
                           [] { return std::optional<int64_t>(); }},
        [](const std::string& what) { ADD_FAILURE() << what; });
  }
  bool take(const Alert& alert) {
    const std::lock_guard lock(mutex_);
    sent_.push_back(alert);
    return room_;
  }
  size_t sent() {
    const std::lock_guard lock(mutex_);
    return sent_.size();
  }
  ExecEvent event(const std::string& value) {
    return exec_event(value, 1234, clock_.wall_us());
  }
  static ExecEvent missed_event() {
    ExecEvent event = exec_event("");
    event.env.clear();
    event.missed = MissReason::kExited;
    return event;
  }

  FakeClock clock_;
  Metrics metrics_;
  TempDir dir_{memory_directory()};
  Config config_;
  std::mutex mutex_;
  std::vector<Alert> sent_;
  bool room_ = true;
};

TEST_F(HistoryWorkerTest, MissedExecsDoNotKeepNewValuesOut) {
  const auto worker = start();
  worker->post(NewExec{event("/first")});
  worker->settle(10'000);
  {
    // The store thread waits for this writer, and what is posted queues up.
    const auto other =
        must(Database::open(config_.database, Database::Access::kReadWrite));
    must(other->execute("BEGIN IMMEDIATE"));
    worker->post(NewExec{event("/waits")});
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    for (int i = 0; i < 30'000; ++i)
      worker->post(MissedExec{missed_event()});
    for (int i = 0; i < 200; ++i)
      worker->post(NewExec{event("/new/" + std::to_string(i))});
    must(other->execute("ROLLBACK"));
  }
  worker->settle(20'000);
  EXPECT_EQ(sent(), 202U);
  EXPECT_GT(metrics_.get(Metric::kMissedNotListed), 0U);
  EXPECT_EQ(metrics_.get(Metric::kEventsDropped), 0U);
  worker->stop();
  EXPECT_EQ(value_of(config_.database, "SELECT count(*) FROM term"), "202");
}

TEST_F(HistoryWorkerTest, AClockThatStepsAnHourMakesNothingNewOrForgotten) {
  constexpr int64_t kHour = 3600 * kMicrosPerSecond;
  const auto worker = start();
  size_t values = 0;
  for (const int64_t step : {int64_t{0}, -kHour, kHour, kHour, -kHour}) {
    clock_.step_wall_us(step);
    clock_.advance_us(kMicrosPerSecond);
    worker->post(NewExec{event("/known")});
    worker->post(NewExec{event("/new/" + std::to_string(values))});
    worker->settle(10'000);
    ++values;
    EXPECT_EQ(sent(), 1 + values) << "a new one is alerted, a known one not";
  }
  worker->stop();
  EXPECT_EQ(value_of(config_.database,
                     "SELECT seen_count FROM first_seen WHERE value = "
                     "'/known'"),
            "5");
  EXPECT_EQ(value_of(config_.database, "SELECT count(*) FROM term"), "6");
}

TEST_F(HistoryWorkerTest, WhatTheRelayHadNoRoomForWhileItRefusedIsSentLater) {
  const auto worker = start();
  worker->post(NewExec{event("/first")});
  worker->settle(10'000);
  ASSERT_EQ(sent(), 1U);
  auto other =
      must(Database::open(config_.database, Database::Access::kReadWrite));
  must(other->execute("BEGIN IMMEDIATE"));
  room_ = false;
  worker->post(NewExec{event("/no-room")});
  worker->settle(20'000);  // after the five seconds that a lock is waited for
  EXPECT_EQ(metrics_.get(Metric::kHistoryHeld), 1U);
  EXPECT_EQ(metrics_.get(Metric::kAlertsNotStored), 0U);
  {
    const std::lock_guard lock(mutex_);
    room_ = true;
    sent_.clear();
  }
  must(other->execute("ROLLBACK"));
  other.reset();
  clock_.advance_us(10 * kMicrosPerSecond);
  worker->settle(20'000);
  worker->settle(20'000);
  EXPECT_EQ(metrics_.get(Metric::kHistoryHeld), 0U);
  ASSERT_EQ(sent(), 1U);
  EXPECT_EQ(sent_[0].term.value, "/no-room");
  EXPECT_NE(sent_[0].alert_id, 0);
}

}  // namespace
}  // namespace preload
