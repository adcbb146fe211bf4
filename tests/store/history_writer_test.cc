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
        std::move(opened), std::move(rule), config_, "test.conf", kSinks,
        metrics_, clock_,
        HistoryWriter::Outlet{
            [this](const Alert& alert) { return look_up_(alert); }, [] {},
            [](uint64_t) {},
            [this](const Alert& alert) { return take(alert); }},
        look_up_user, [](const std::string& what) { ADD_FAILURE() << what; });
  }
  // What the relay would have been given so far: ready alerts, and those that
  // are not stored.
  std::vector<Alert> alerts() {
    std::vector<Alert> all;
    const auto reader = must(OutboxReader::open(config_.database));
    while (true) {
      auto more =
          must(reader->read(all.empty() ? 0 : all.back().alert_id, 1000));
      if (more.empty())
        break;
      all.insert(all.end(), more.begin(), more.end());
    }
    const std::lock_guard lock(mutex_);
    all.insert(all.end(), unstored_.begin(), unstored_.end());
    return all;
  }
  std::vector<std::string> summaries() {
    std::vector<std::string> texts;
    for (const Alert& alert : alerts())
      if (alert.kind == AlertKind::kSummary)
        texts.push_back(alert.summary);
    return texts;
  }
  // A value found in a process that runs already.
  ExecEvent found(const std::string& value) {
    ExecEvent found = event(value);
    found.origin = Origin::kInventory;
    return found;
  }
  static NewExec new_exec(const ExecEvent& event) {
    return {std::make_shared<const ExecEvent>(event)};
  }
  // `post` is done while the store thread waits for another writer, so what is
  // posted queues up.
  void while_it_waits(HistoryWriter& worker,
                      const std::function<void()>& post) {
    const auto other =
        must(Database::open(config_.database, Database::Access::kReadWrite));
    must(other->execute("BEGIN IMMEDIATE"));
    worker.post(new_exec(event("/waits")));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    post();
    must(other->execute("ROLLBACK"));
  }
  // More of a large exec than the queue holds, then 200 new values, of which
  // none may be dropped.
  void flood_then_post_new(HistoryWriter& worker, const ExecEvent& large,
                           int count) {
    worker.post(new_exec(event("/first")));
    worker.settle(10'000);
    while_it_waits(worker, [&] {
      for (int i = 0; i < count; ++i)
        worker.post(new_exec(large));
      EXPECT_GT(metrics_.get(Metric::kEventsDropped), 0U);
      metrics_.set(Metric::kEventsDropped, 0);
      for (int i = 0; i < 200; ++i)
        worker.post(new_exec(event("/new/" + std::to_string(i))));
    });
    worker.settle(20'000);
    EXPECT_EQ(metrics_.get(Metric::kEventsDropped), 0U);
  }
  bool take(const Alert& alert) {
    const std::lock_guard lock(mutex_);
    if (room_)
      unstored_.push_back(alert);
    return room_;
  }
  size_t sent() { return alerts().size(); }
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
  std::vector<Alert> unstored_;
  std::function<bool(const Alert&)> look_up_ = [](const Alert&) {
    return false;
  };
  bool room_ = true;
};

TEST_F(HistoryWorkerTest, MissedExecsDoNotKeepNewValuesOut) {
  const auto worker = start();
  worker->post(new_exec(event("/first")));
  worker->settle(10'000);
  while_it_waits(*worker, [&] {
    for (int i = 0; i < 30'000; ++i)
      worker->post(
          MissedExec{std::make_shared<const ExecEvent>(missed_event())});
    for (int i = 0; i < 200; ++i)
      worker->post(new_exec(event("/new/" + std::to_string(i))));
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
  ExecEvent large = event("/first");
  large.env.assign(2, {"OTHER", std::string(size_t{400} << 10, 'x')});
  flood_then_post_new(*worker, large, 40);
  worker->stop();
  EXPECT_EQ(value_of(config_.database,
                     "SELECT count(*) FROM term WHERE value LIKE '/new/%'"),
            "200");
}

TEST_F(HistoryWorkerTest, TheHeavyExecsOfOneUserDoNotKeepAnothersOut) {
  const auto worker = start();
  ExecEvent heavy = event("/heavy");
  heavy.auid = 1002;
  heavy.env.push_back({"LD_LIBRARY_PATH", std::string(200'000, 'x')});
  flood_then_post_new(*worker, heavy, 100);
  EXPECT_EQ(sent(), 204U);
}

TEST_F(HistoryWorkerTest, AUserHasTheSameNameWhereverAnExecComesFrom) {
  config_.new_terms_fields = {"process.env_vars", "user.name"};
  const auto worker = start();
  ExecEvent running = found("/runs");
  running.uid = 0;
  running.user.clear();
  worker->post(new_exec(running));
  worker->post(InventoryDone{1});
  ExecEvent raw = running;
  raw.origin = Origin::kExec;
  worker->post(new_exec(raw));
  ExecEvent enriched = raw;
  enriched.user = "root";
  worker->post(new_exec(enriched));
  worker->settle(10'000);
  EXPECT_EQ(sent(), 1U) << "the summary of the baseline";
  enriched.user = "other";
  worker->post(new_exec(enriched));
  worker->settle(10'000);
  EXPECT_EQ(sent(), 2U);
}

TEST_F(HistoryWorkerTest, AnExceptionForAllButRootIsNotForRootWithoutAName) {
  config_.exceptions = {{1, "not user.name:root"}};
  const auto worker = start();
  ExecEvent raw = event("/of-root");
  raw.uid = 0;
  raw.user.clear();
  worker->post(new_exec(raw));
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
    worker->post(new_exec(event("/known")));
    worker->post(new_exec(event("/new/" + std::to_string(values))));
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
  worker->post(new_exec(found("/runs")));
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
  worker.reset();
  // What the next start finds began while nothing ran.
  worker = start();
  worker->post(new_exec(found("/later")));
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
  worker->post(new_exec(found("/runs")));
  worker->post(InventoryDone{7});
  worker->settle(20'000);
  const std::vector<std::string> told = summaries();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_TRUE(told[0].starts_with("history lost")) << told[0];
  EXPECT_EQ(told[1], "baseline terms=1 processes=7");
  EXPECT_EQ(sent(), 2U);
  // A position in the database that is gone says nothing about this one.
  worker->post(SinkPosition{"syslog", 1, 0});
  worker->settle(20'000);
  EXPECT_EQ(value_of(config_.database, "SELECT count(*) FROM pending_alert"),
            "2");
  worker->post(SinkPosition{"syslog", 1, 1});
  worker->settle(20'000);
  EXPECT_EQ(value_of(config_.database, "SELECT count(*) FROM pending_alert"),
            "1");
}

TEST_F(HistoryWorkerTest, TheEndOfLearningIsToldOnceAlsoWhenNothingRanThen) {
  constexpr int64_t kHourUs = 3600 * kMicrosPerSecond;
  config_.learning_period = 3600;
  auto worker = start();
  worker->post(InventoryDone{5});
  worker->post(new_exec(event("/learned")));
  worker->settle(20'000);
  EXPECT_EQ(summaries().size(), 1U);
  worker.reset();
  clock_.advance_us(2 * kHourUs);
  for (int i = 0; i < 2; ++i) {
    worker = start();
    worker->settle(20'000);
    worker->settle(20'000);
    worker.reset();
  }
  const std::vector<std::string> told = summaries();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[1], "learning ended terms=1 learning_period=1h");
}

TEST_F(HistoryWorkerTest, WhatTheRelayHadNoRoomForWhileItRefusedIsSentLater) {
  const auto worker = start();
  worker->post(new_exec(event("/first")));
  worker->settle(10'000);
  ASSERT_EQ(sent(), 1U);
  auto other =
      must(Database::open(config_.database, Database::Access::kReadWrite));
  must(other->execute("BEGIN IMMEDIATE"));
  worker->post(new_exec(event("/direct")));
  worker->settle(20'000);  // after the five seconds that a lock is waited for
  ASSERT_EQ(unstored_.size(), 1U);
  room_ = false;
  worker->post(new_exec(event("/no-room")));
  worker->settle(20'000);
  EXPECT_EQ(metrics_.get(Metric::kHistoryHeld), 2U);
  EXPECT_EQ(metrics_.get(Metric::kAlertsNotStored), 1U);
  must(other->execute("ROLLBACK"));
  other.reset();
  clock_.advance_us(10 * kMicrosPerSecond);
  worker->settle(20'000);
  worker->settle(20'000);
  EXPECT_EQ(metrics_.get(Metric::kHistoryHeld), 0U);
  // What was sent directly is in the history and not in the queue.
  EXPECT_EQ(rows(config_.database,
                 "SELECT value FROM recent_alerts JOIN pending_alert USING "
                 "(alert_id) ORDER BY alert_id"),
            (Rows{{"/first"}, {"/no-room"}}));
  EXPECT_EQ(value_of(config_.database, "SELECT count(*) FROM recent_alerts"),
            "3");
  EXPECT_EQ(unstored_.size(), 1U);
}

TEST_F(HistoryWorkerTest, AnAlertWaitsForItsFactsUntilTheDeadline) {
  std::vector<Alert> asked;
  look_up_ = [&](const Alert& alert) {
    asked.push_back(alert);
    return true;
  };
  const auto worker = start();
  worker->post(new_exec(event("/a")));
  worker->post(new_exec(event("/b")));
  worker->settle(200);  // they are not ready
  EXPECT_EQ(sent(), 0U);
  ASSERT_EQ(asked.size(), 2U);
  Facts facts{asked[0].alert_id, asked[0].raised_at_us, {}, {{1000, "bob"}}};
  facts.facts.introducer_pid = 77;
  worker->post(facts);
  worker->settle(200);
  ASSERT_EQ(sent(), 1U);
  EXPECT_EQ(alerts()[0].facts.introducer_pid, 77);
  clock_.advance_us(kFactsDeadlineNs / 1000);
  worker->settle(10'000);
  EXPECT_EQ(sent(), 2U);
  // An answer that comes too late changes nothing.
  worker->post(
      Facts{asked[1].alert_id, asked[1].raised_at_us, facts.facts, {}});
  worker->settle(10'000);
  EXPECT_EQ(alerts()[1].facts.introducer_pid, 0);
}

TEST_F(HistoryWorkerTest, AFullQueueRefusesNoControlItem) {
  const auto worker = start();
  worker->post(new_exec(event("/first")));
  worker->settle(10'000);
  while_it_waits(*worker, [&] {
    while (metrics_.get(Metric::kEventsDropped) == 0)
      worker->post(new_exec(event("/new/" + std::string(10'000, 'x'))));
    worker->post(CoverageDeltas{{{20'000, 7, 0, 0, {}}}});
    worker->post(SinkPosition{"syslog", 1, 0});
    Config config = config_;
    config.severity = "high";
    worker->post(NewConfig{config, {"ecs_file"}});
  });
  worker->settle(20'000);
  worker->post(new_exec(event("/last")));
  worker->settle(20'000);
  EXPECT_EQ(value_of(config_.database, "SELECT execs FROM coverage_by_day"),
            "7");
  EXPECT_EQ(
      rows(config_.database, "SELECT name, cursor FROM sink ORDER BY name"),
      (Rows{{"ecs_file", "3"}, {"syslog", "1"}}));
  EXPECT_EQ(value_of(config_.database, "SELECT severity FROM recent_alerts"),
            "high");
}

}  // namespace
}  // namespace preload
