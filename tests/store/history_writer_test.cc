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

#include "preload/enrich/enricher.h"
#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class HistoryWriterTest : public testing::Test {
 protected:
  HistoryWriterTest() {
    config_.database = dir_ / "history.db";
    config_.max_alerts = 1'000'000;
  }

  std::unique_ptr<HistoryWriter> start() {
    OpenedStore opened =
        must(open_or_recreate(config_.database, clock_, timing_));
    Rule rule =
        must(make_rule(config_, "test.conf", opened.store->created_at_us()));
    rule.inventory_is_baseline =
        !must(opened.store->reached(Milestone::kBaselineTaken));
    auto writer = std::make_unique<HistoryWriter>(
        std::move(opened), std::move(rule), config_, "test.conf", kSinks,
        metrics_, clock_,
        HistoryWriter::Outlet{
            [this](const Alert& alert) { return look_up_(alert); }, [] {},
            [](uint64_t) {},
            [this](const Alert& alert) { return take(alert); }},
        look_up_user, timing_);
    writer->start([](const std::string& what) { ADD_FAILURE() << what; });
    return writer;
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
  static NewExec new_exec(const ExecEvent& event) { return {shared(event)}; }
  // `post` is done while the store thread waits for another writer, so what is
  // posted queues up.
  void while_it_waits(HistoryWriter& writer,
                      const std::function<void()>& post) {
    const auto other =
        must(Database::open(config_.database, Database::Access::kReadWrite));
    must(other->execute("BEGIN IMMEDIATE"));
    writer.post(new_exec(event("/waits")));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    post();
    must(other->execute("ROLLBACK"));
  }
  // More of a large exec than the queue holds, then 200 new values, of which
  // none may be dropped.
  void flood_then_post_new(HistoryWriter& writer, const ExecEvent& large,
                           int count) {
    writer.post(new_exec(event("/first")));
    writer.settle(10'000);
    while_it_waits(writer, [&] {
      for (int i = 0; i < count; ++i)
        writer.post(new_exec(large));
      EXPECT_GT(metrics_.get(Metric::kEventsDropped), 0U);
      metrics_.set(Metric::kEventsDropped, 0);
      for (int i = 0; i < 200; ++i)
        writer.post(new_exec(event("/new/" + std::to_string(i))));
    });
    writer.settle(20'000);
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

  void wait_briefly_for_locks() { timing_.busy = 50 * kNanosPerMilli; }

  FakeClock clock_;
  Metrics metrics_;
  Timing timing_;
  TempDir dir_{memory_directory()};
  Config config_;
  std::mutex mutex_;
  std::vector<Alert> unstored_;
  std::function<bool(const Alert&)> look_up_ = [](const Alert&) {
    return false;
  };
  bool room_ = true;
};

TEST_F(HistoryWriterTest, MissedExecsDoNotKeepNewValuesOut) {
  const auto writer = start();
  writer->post(new_exec(event("/first")));
  writer->settle(10'000);
  while_it_waits(*writer, [&] {
    for (int i = 0; i < 30'000; ++i)
      writer->post(MissedExec{shared(missed_event())});
    for (int i = 0; i < 200; ++i)
      writer->post(new_exec(event("/new/" + std::to_string(i))));
  });
  writer->settle(20'000);
  EXPECT_EQ(sent(), 202U);
  EXPECT_GT(metrics_.get(Metric::kMissedNotListed), 0U);
  EXPECT_EQ(metrics_.get(Metric::kEventsDropped), 0U);
  writer->stop();
  EXPECT_EQ(value_of(config_.database, "SELECT count(*) FROM term"), "202");
}

TEST_F(HistoryWriterTest, LargeExecsDoNotKeepNewValuesOut) {
  const auto writer = start();
  ExecEvent large = event("/first");
  large.env.assign(2, {"OTHER", std::string(size_t{400} << 10, 'x')});
  flood_then_post_new(*writer, large, 40);
  writer->stop();
  EXPECT_EQ(value_of(config_.database,
                     "SELECT count(*) FROM term WHERE value LIKE '/new/%'"),
            "200");
}

TEST_F(HistoryWriterTest, TheHeavyExecsOfOneUserDoNotKeepAnothersOut) {
  const auto writer = start();
  ExecEvent heavy = event("/heavy");
  heavy.auid = 1002;
  heavy.env.push_back({"LD_LIBRARY_PATH", std::string(200'000, 'x')});
  flood_then_post_new(*writer, heavy, 100);
  EXPECT_EQ(sent(), 204U);
}

TEST_F(HistoryWriterTest, AUserHasTheSameNameWhereverAnExecComesFrom) {
  config_.new_terms_fields = {"process.env_vars", "user.name"};
  const auto writer = start();
  ExecEvent running = found("/runs");
  running.uid = 0;
  running.user.clear();
  writer->post(new_exec(running));
  writer->post(InventoryDone{1});
  ExecEvent raw = running;
  raw.origin = Origin::kExec;
  writer->post(new_exec(raw));
  ExecEvent enriched = raw;
  enriched.user = "root";
  writer->post(new_exec(enriched));
  writer->settle(10'000);
  EXPECT_EQ(sent(), 1U) << "the summary of the baseline";
  enriched.user = "other";
  writer->post(new_exec(enriched));
  writer->settle(10'000);
  EXPECT_EQ(sent(), 2U);
}

TEST_F(HistoryWriterTest, AnExceptionForAllButRootIsNotForRootWithoutAName) {
  config_.exceptions = {{1, "not user.name:root"}};
  const auto writer = start();
  ExecEvent raw = event("/of-root");
  raw.uid = 0;
  raw.user.clear();
  writer->post(new_exec(raw));
  writer->settle(10'000);
  EXPECT_EQ(sent(), 1U);
}

TEST_F(HistoryWriterTest, AClockThatStepsAnHourMakesNothingNewOrForgotten) {
  constexpr int64_t kHour = 3600 * kMicrosPerSecond;
  const auto writer = start();
  size_t values = 0;
  for (const int64_t step : {int64_t{0}, -kHour, kHour, kHour, -kHour}) {
    clock_.step_wall_us(step);
    clock_.advance_us(kMicrosPerSecond);
    writer->post(new_exec(event("/known")));
    writer->post(new_exec(event("/new/" + std::to_string(values))));
    writer->settle(10'000);
    ++values;
    EXPECT_EQ(sent(), 1 + values) << "a new one is alerted, a known one not";
  }
  writer->stop();
  EXPECT_EQ(value_of(config_.database,
                     "SELECT seen_count FROM first_seen WHERE value = "
                     "'/known'"),
            "5");
  EXPECT_EQ(value_of(config_.database, "SELECT count(*) FROM term"), "6");
}

TEST_F(HistoryWriterTest, ABaselineIsTakenWhenTheDatabaseTakesIt) {
  wait_briefly_for_locks();
  auto writer = start();
  auto other =
      must(Database::open(config_.database, Database::Access::kReadWrite));
  must(other->execute("BEGIN IMMEDIATE"));
  writer->post(new_exec(found("/runs")));
  writer->post(InventoryDone{5});
  writer->settle(20'000);
  EXPECT_EQ(metrics_.get(Metric::kHistoryHeld), 2U);
  must(other->execute("ROLLBACK"));
  other.reset();
  clock_.advance_us(10 * kMicrosPerSecond);
  writer->settle(20'000);
  writer->settle(20'000);
  EXPECT_EQ(summaries(),
            std::vector<std::string>{"baseline terms=1 processes=5"});
  writer.reset();
  // What the next start finds began while nothing ran.
  writer = start();
  writer->post(new_exec(found("/later")));
  writer->post(InventoryDone{6});
  writer->settle(20'000);
  EXPECT_EQ(summaries().size(), 1U);
  EXPECT_EQ(sent(), 2U);
}

TEST_F(HistoryWriterTest, ARecreatedDatabaseHasABaselineToo) {
  const auto writer = start();
  writer->post(InventoryDone{5});
  writer->settle(20'000);
  EXPECT_FALSE(writer->take_inventory_wanted());
  std::filesystem::remove(config_.database);
  clock_.advance_us(10 * kMicrosPerSecond);
  writer->settle(20'000);
  EXPECT_TRUE(writer->take_inventory_wanted());
  EXPECT_FALSE(writer->take_inventory_wanted());
  writer->post(new_exec(found("/runs")));
  writer->post(InventoryDone{7});
  writer->settle(20'000);
  const std::vector<std::string> told = summaries();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_TRUE(told[0].starts_with("history lost")) << told[0];
  EXPECT_EQ(told[1], "baseline terms=1 processes=7");
  EXPECT_EQ(sent(), 2U);
  // A position in the database that is gone says nothing about this one.
  writer->post(SinkPosition{"syslog", 1, 0});
  writer->settle(20'000);
  EXPECT_EQ(value_of(config_.database, "SELECT count(*) FROM pending_alert"),
            "2");
  writer->post(SinkPosition{"syslog", 1, 1});
  writer->settle(20'000);
  EXPECT_EQ(value_of(config_.database, "SELECT count(*) FROM pending_alert"),
            "1");
}

TEST_F(HistoryWriterTest,
       TheEndOfLearningIsReportedOnceAlsoWhenNothingRanThen) {
  constexpr int64_t kHourUs = 3600 * kMicrosPerSecond;
  config_.learning_period = 3600;
  auto writer = start();
  writer->post(InventoryDone{5});
  writer->post(new_exec(event("/learned")));
  writer->settle(20'000);
  EXPECT_EQ(summaries().size(), 1U);
  writer.reset();
  clock_.advance_us(2 * kHourUs);
  for (int i = 0; i < 2; ++i) {
    writer = start();
    writer->settle(20'000);
    writer->settle(20'000);
    writer.reset();
  }
  const std::vector<std::string> told = summaries();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[1], "learning ended terms=1 learning_period=1h");
}

TEST_F(HistoryWriterTest, WhatTheRelayHadNoRoomForInAnOutageIsSentLater) {
  wait_briefly_for_locks();
  const auto writer = start();
  writer->post(new_exec(event("/first")));
  writer->settle(10'000);
  ASSERT_EQ(sent(), 1U);
  auto other =
      must(Database::open(config_.database, Database::Access::kReadWrite));
  must(other->execute("BEGIN IMMEDIATE"));
  writer->post(new_exec(event("/direct")));
  writer->settle(20'000);
  ASSERT_EQ(unstored_.size(), 1U);
  room_ = false;
  writer->post(new_exec(event("/no-room")));
  writer->settle(20'000);
  EXPECT_EQ(metrics_.get(Metric::kHistoryHeld), 2U);
  EXPECT_EQ(metrics_.get(Metric::kAlertsNotStored), 1U);
  must(other->execute("ROLLBACK"));
  other.reset();
  clock_.advance_us(10 * kMicrosPerSecond);
  writer->settle(20'000);
  writer->settle(20'000);
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

TEST_F(HistoryWriterTest, AnAlertWaitsForItsFactsUntilTheDeadline) {
  std::vector<Alert> asked;
  look_up_ = [&](const Alert& alert) {
    asked.push_back(alert);
    return true;
  };
  const auto writer = start();
  writer->post(new_exec(event("/a")));
  writer->post(new_exec(event("/b")));
  writer->settle(200);  // they are not ready
  EXPECT_EQ(sent(), 0U);
  ASSERT_EQ(asked.size(), 2U);
  Facts facts{asked[0].alert_id, asked[0].raised_at_us, {}, {{1000, "bob"}}};
  facts.facts.introducer_pid = 77;
  writer->post(facts);
  writer->settle(200);
  ASSERT_EQ(sent(), 1U);
  EXPECT_EQ(alerts()[0].facts.introducer_pid, 77);
  clock_.advance_us(kFactsDeadlineNs / 1000);
  writer->settle(10'000);
  EXPECT_EQ(sent(), 2U);
  // An answer that comes too late changes nothing.
  writer->post(
      Facts{asked[1].alert_id, asked[1].raised_at_us, facts.facts, {}});
  writer->settle(10'000);
  EXPECT_EQ(alerts()[1].facts.introducer_pid, 0);
}

TEST_F(HistoryWriterTest, AFullQueueRefusesNoControlItem) {
  const auto writer = start();
  writer->post(new_exec(event("/first")));
  writer->settle(10'000);
  while_it_waits(*writer, [&] {
    while (metrics_.get(Metric::kEventsDropped) == 0)
      writer->post(new_exec(event("/new/" + std::string(10'000, 'x'))));
    writer->post(CoverageDeltas{{{20'000, 7, 0, 0, {}}}});
    writer->post(SinkPosition{"syslog", 1, 0});
    Config config = config_;
    config.severity = "high";
    writer->post(NewConfig{config, {"ecs_file"}});
  });
  writer->settle(20'000);
  writer->post(new_exec(event("/last")));
  writer->settle(20'000);
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
