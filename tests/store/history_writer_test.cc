// SPDX-License-Identifier: Apache-2.0
// The store thread while its database refuses and while clocks step; see
// tests/pipeline for the same with the whole program.
#include "preload/store/history_writer.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "preload/enrich/user_names.h"
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

  std::unique_ptr<HistoryWriter> start() {
    OpenedStore opened = must(open_or_recreate(config_.database, clock_));
    Rule rule =
        must(make_rule(config_, "test.conf", opened.store->created_at_us()));
    rule.inventory_is_baseline =
        !must(opened.store->reached(Milestone::kBaselineTaken));
    return std::make_unique<HistoryWriter>(
        std::move(opened), std::move(rule), config_, "test.conf", metrics_,
        clock_,
        OutboxFeed::Outlet{[this](const Alert& alert) { return take(alert); },
                           [] { return std::optional<int64_t>(); }},
        look_up_user, [](const std::string& what) { ADD_FAILURE() << what; });
  }
  std::vector<std::string> summaries() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> texts;
    for (const Alert& alert : sent_)
      if (alert.kind == AlertKind::kSummary)
        texts.push_back(alert.summary);
    return texts;
  }
  // A value found in a process that runs already.
  NewExec found(const std::string& value) {
    NewExec found{event(value)};
    found.event.origin = Origin::kInventory;
    return found;
  }
  // All that was sent arrived; then it ends.
  void end(std::unique_ptr<HistoryWriter>& worker) {
    std::vector<int64_t> ids;
    {
      const std::lock_guard lock(mutex_);
      for (const Alert& alert : sent_)
        ids.push_back(alert.alert_id);
    }
    worker->post(Acknowledged{std::move(ids)});
    worker->settle(20'000);
    worker.reset();
  }
  // `post` is done while the store thread waits for another writer, so what is
  // posted queues up.
  void while_it_waits(HistoryWriter& worker,
                      const std::function<void()>& post) {
    const auto other =
        must(Database::open(config_.database, Database::Access::kReadWrite));
    must(other->execute("BEGIN IMMEDIATE"));
    worker.post(NewExec{event("/waits")});
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    post();
    must(other->execute("ROLLBACK"));
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
  while_it_waits(*worker, [&] {
    for (int i = 0; i < 30'000; ++i)
      worker->post(MissedExec{missed_event()});
    for (int i = 0; i < 200; ++i)
      worker->post(NewExec{event("/new/" + std::to_string(i))});
  });
  worker->settle(20'000);
  EXPECT_EQ(sent(), 202U);
  EXPECT_GT(metrics_.get(Metric::kMissedNotListed), 0U);
  EXPECT_EQ(metrics_.get(Metric::kEventsDropped), 0U);
  worker->stop();
  EXPECT_EQ(value_of(config_.database, "SELECT count(*) FROM term"), "202");
}

TEST_F(HistoryWorkerTest, LargeExecsDoNotKeepNewValuesOut) {
  const auto worker = start();
  worker->post(NewExec{event("/first")});
  worker->settle(10'000);
  while_it_waits(*worker, [&] {
    ExecEvent large = event("/first");
    for (int i = 0; i < 40; ++i) {
      large.env.assign(2, {"OTHER", std::string(size_t{400} << 10, 'x')});
      worker->post(NewExec{large});
    }
    EXPECT_GT(metrics_.get(Metric::kEventsDropped), 0U);
    metrics_.set(Metric::kEventsDropped, 0);
    for (int i = 0; i < 200; ++i)
      worker->post(NewExec{event("/new/" + std::to_string(i))});
  });
  worker->settle(20'000);
  EXPECT_EQ(metrics_.get(Metric::kEventsDropped), 0U);
  worker->stop();
  EXPECT_EQ(value_of(config_.database,
                     "SELECT count(*) FROM term WHERE value LIKE '/new/%'"),
            "200");
}

TEST_F(HistoryWorkerTest, TheHeavyExecsOfOneUserDoNotKeepAnothersOut) {
  const auto worker = start();
  worker->post(NewExec{event("/first")});
  worker->settle(10'000);
  while_it_waits(*worker, [&] {
    NewExec heavy{event("/heavy")};
    heavy.event.auid = 1002;
    heavy.event.env.push_back({"LD_LIBRARY_PATH", std::string(200'000, 'x')});
    for (int i = 0; i < 100; ++i)
      worker->post(heavy);
    EXPECT_GT(metrics_.get(Metric::kEventsDropped), 0U);
    metrics_.set(Metric::kEventsDropped, 0);
    for (int i = 0; i < 200; ++i)
      worker->post(NewExec{event("/new/" + std::to_string(i))});
  });
  worker->settle(20'000);
  EXPECT_EQ(metrics_.get(Metric::kEventsDropped), 0U);
  EXPECT_EQ(sent(), 204U);
}

TEST_F(HistoryWorkerTest, AUserHasTheSameNameWhereverAnExecComesFrom) {
  config_.new_terms_fields = {"process.env_vars", "user.name"};
  const auto worker = start();
  NewExec running = found("/runs");
  running.event.uid = 0;
  running.event.user.clear();
  worker->post(running);
  worker->post(InventoryDone{1});
  NewExec raw = running;
  raw.event.origin = Origin::kExec;
  worker->post(raw);
  NewExec enriched = raw;
  enriched.event.user = "root";
  worker->post(enriched);
  worker->settle(10'000);
  EXPECT_EQ(sent(), 1U) << "the summary of the baseline";
  enriched.event.user = "other";
  worker->post(enriched);
  worker->settle(10'000);
  EXPECT_EQ(sent(), 2U);
}

TEST_F(HistoryWorkerTest, AnExceptionForAllButRootIsNotForRootWithoutAName) {
  config_.exceptions = {{1, "not user.name:root"}};
  const auto worker = start();
  NewExec raw{event("/of-root")};
  raw.event.uid = 0;
  raw.event.user.clear();
  worker->post(raw);
  worker->settle(10'000);
  EXPECT_EQ(sent(), 1U);
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

TEST_F(HistoryWorkerTest, ABaselineIsTakenWhenTheDatabaseTakesIt) {
  auto worker = start();
  auto other =
      must(Database::open(config_.database, Database::Access::kReadWrite));
  must(other->execute("BEGIN IMMEDIATE"));
  worker->post(found("/runs"));
  worker->post(InventoryDone{5});
  worker->settle(20'000);  // after the five seconds that a lock is waited for
  EXPECT_EQ(metrics_.get(Metric::kHistoryHeld), 2U);
  must(other->execute("ROLLBACK"));
  other.reset();
  clock_.advance_us(10 * kMicrosPerSecond);
  worker->settle(20'000);
  worker->settle(20'000);
  EXPECT_EQ(summaries(),
            std::vector<std::string>{"baseline terms=1 processes=5"});
  end(worker);
  // What the next start finds began while nothing ran.
  worker = start();
  worker->post(found("/later"));
  worker->post(InventoryDone{6});
  worker->settle(20'000);
  EXPECT_EQ(summaries().size(), 1U);
  EXPECT_EQ(sent(), 2U);
}

TEST_F(HistoryWorkerTest, ADatabaseBegunAnewHasABaselineToo) {
  const auto worker = start();
  worker->post(InventoryDone{5});
  worker->settle(20'000);
  EXPECT_FALSE(worker->take_inventory_wanted());
  std::filesystem::remove(config_.database);
  clock_.advance_us(10 * kMicrosPerSecond);
  worker->settle(20'000);
  EXPECT_TRUE(worker->take_inventory_wanted());
  EXPECT_FALSE(worker->take_inventory_wanted());
  worker->post(found("/runs"));
  worker->post(InventoryDone{7});
  worker->settle(20'000);
  const std::vector<std::string> told = summaries();
  ASSERT_EQ(told.size(), 3U);
  EXPECT_TRUE(told[1].starts_with("history lost")) << told[1];
  EXPECT_EQ(told[2], "baseline terms=1 processes=7");
  EXPECT_EQ(sent(), 3U);
}

TEST_F(HistoryWorkerTest, TheEndOfLearningIsToldOnceAlsoWhenNothingRanThen) {
  constexpr int64_t kHourUs = 3600 * kMicrosPerSecond;
  config_.learning_period = 3600;
  auto worker = start();
  worker->post(InventoryDone{5});
  worker->post(NewExec{event("/learned")});
  worker->settle(20'000);
  EXPECT_EQ(summaries().size(), 1U);
  end(worker);
  clock_.advance_us(2 * kHourUs);
  for (int i = 0; i < 2; ++i) {
    worker = start();
    worker->settle(20'000);
    worker->settle(20'000);
    end(worker);
  }
  const std::vector<std::string> told = summaries();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[1], "learning ended terms=1 learning_period=1h");
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
