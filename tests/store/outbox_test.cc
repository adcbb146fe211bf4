// SPDX-License-Identifier: Apache-2.0
#include "preload/store/outbox.h"

#include <map>

#include <gtest/gtest.h>

#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class OutboxTest : public testing::Test {
 protected:
  std::vector<int64_t> queued_ids(int64_t after = 0, size_t limit = 100) {
    std::vector<int64_t> ids;
    for (const Alert& alert : queued(*store_, path_, after, limit))
      ids.push_back(alert.alert_id);
    return ids;
  }

  std::map<std::string, int64_t> cursors() {
    return must(must(OutboxReader::open(path_))->cursors());
  }
  std::string states() {
    return value_of(path_,
                    "SELECT group_concat(state) FROM (SELECT state FROM "
                    "recent_alerts ORDER BY alert_id)");
  }

  FakeClock clock_;
  TempDir dir_;
  std::string path_ = dir_ / "history.db";
  std::unique_ptr<Store> store_ = must(Store::open(path_, clock_));
};

using Ids = std::vector<int64_t>;
using Cursors = std::map<std::string, int64_t>;

TEST_F(OutboxTest, GivesWhatIsQueuedInOrder) {
  must(store_->set_sinks(kSinks));
  record(*store_, exec_event("a"), Verdict::kNew);
  record(*store_, exec_event("b"), Verdict::kCapped);
  const Alert summary = must(store_->record_summary("capped=1", kMark));
  record(*store_, exec_event("c"), Verdict::kNew);
  EXPECT_EQ(queued_ids(), (Ids{1, 3, 4}));
  EXPECT_EQ(queued_ids(1), (Ids{3, 4}));
  EXPECT_EQ(queued_ids(0, 2), (Ids{1, 3}));
  EXPECT_EQ(summary.alert_id, 3);
  EXPECT_EQ(cursors(), (Cursors{{"syslog", 0}}));

  take_up_to(*store_, 3);
  EXPECT_EQ(cursors(), (Cursors{{"syslog", 3}}));
  EXPECT_EQ(rows(path_, "SELECT alert_id, state FROM recent_alerts"),
            (Rows{{"4", "pending"}, {"2", "capped"}, {"1", "sent"}}));
  EXPECT_EQ(rows(path_, "SELECT alert_id, state, summary FROM summaries"),
            (Rows{{"3", "sent", "capped=1"}}));
}

TEST_F(OutboxTest, SurvivesAnEnd) {
  record(*store_, exec_event("a"), Verdict::kNew);
  must(store_->record_summary("terms=3", {"medium", 47}));
  AlertFacts facts;
  facts.libraries.emplace_back().named = "a";
  facts.introducer_pid = 77;
  must(store_->set_ready(1, &facts));
  clock_.advance_us(1000);
  store_.reset();
  store_ = must(Store::open(path_, clock_));
  const auto alerts = queued(*store_, path_);
  ASSERT_EQ(alerts.size(), 2U);
  EXPECT_EQ(alerts[0].kind, AlertKind::kNewTerm);
  EXPECT_EQ(alerts[0].raised_at_us, clock_.wall_us() - 1000);
  EXPECT_EQ(alerts[0].severity, "low");
  EXPECT_EQ(*alerts[0].event, exec_event("a"));
  ASSERT_EQ(alerts[0].facts.libraries.size(), 1U);
  EXPECT_EQ(alerts[0].facts.introducer_pid, 77);
  EXPECT_EQ(alerts[1].kind, AlertKind::kSummary);
  EXPECT_EQ(alerts[1].summary, "terms=3");
  EXPECT_EQ(alerts[1].severity, "medium");
  EXPECT_EQ(alerts[1].risk_score, 47U);
}

TEST_F(OutboxTest, ALargeEnvironmentIsStoredOnce) {
  ExecEvent event = exec_event("");
  event.env.clear();
  std::vector<Decision> decisions;
  for (int i = 0; i < 300; ++i) {
    const std::string value = std::to_string(i) + std::string(10'000, 'x');
    event.env.push_back({"LD_PRELOAD", value});
    decisions.push_back(
        decision(value, i < 100 ? Verdict::kNew : Verdict::kCapped));
  }
  const auto alerts = transact(
      *store_, [&] { return store_->record(shared(event), decisions, kMark); });
  ASSERT_EQ(alerts.size(), 300U);
  for (int i = 0; i < 300; ++i) {
    const Alert& alert = alerts[static_cast<size_t>(i)];
    ASSERT_EQ(alert.event != nullptr, i < 100);
    if (i < 100) {
      ASSERT_LT(weight(*alert.event), 20'000U);
      ASSERT_EQ(alert.event->env.size(), 1U);
      EXPECT_EQ(alert.event->env[0].value, alert.term.value);
      EXPECT_EQ(alert.event->cwd, event.cwd);
    }
  }
  EXPECT_EQ(value_of(path_, "SELECT count(*) FROM alert_exec"), "1");
  EXPECT_LT(std::filesystem::file_size(path_), 10'000'000U);
  const auto detail =
      exec_event_from_json(value_of(path_, "SELECT detail FROM alert_exec"));
  EXPECT_EQ(*detail, event);
  const auto kept = queued(*store_, path_);
  ASSERT_GT(kept.size(), 42U);
  EXPECT_EQ(*kept[42].event, *alerts[42].event);
}

TEST_F(OutboxTest, GivesABoundedAmountAtOnce) {
  must(store_->begin());
  for (int i = 0; i < 300; ++i)
    record(*store_, exec_event(std::to_string(i) + std::string(60'000, 'x')),
           Verdict::kNew);
  must(store_->commit());
  int64_t after = 0;
  int calls = 0;
  size_t total = 0;
  for (auto ids = queued_ids(0, 1000); !ids.empty();
       ids = queued_ids(after, 1000)) {
    after = ids.back();
    total += ids.size();
    ++calls;
  }
  EXPECT_EQ(total, 300U);
  EXPECT_GT(calls, 2);
}

TEST_F(OutboxTest, AnAlertThatIsNotReadyHoldsUpThoseAfterIt) {
  const int64_t first =
      record(*store_, exec_event("a"), Verdict::kNew).at(0).alert_id;
  must(store_->record_summary("capped=1", kMark));
  const auto reader = must(OutboxReader::open(path_));
  EXPECT_TRUE(must(reader->read(0, 10)).empty());
  must(store_->set_ready(first, nullptr));
  EXPECT_EQ(must(reader->read(0, 10)).size(), 2U);
  // A look-up that the end cut short.
  record(*store_, exec_event("b"), Verdict::kNew);
  EXPECT_EQ(must(reader->read(0, 10)).size(), 2U);
  store_.reset();
  store_ = must(Store::open(path_, clock_));
  EXPECT_EQ(must(reader->read(0, 10)).size(), 3U);
}

TEST_F(OutboxTest, SentIsWhatEveryConfiguredSinkHasTaken) {
  record(*store_, exec_event("old"), Verdict::kNew);
  EXPECT_EQ(states(), "sent") << "there is no sink";
  must(store_->set_sinks(std::vector<std::string>{"syslog", "ecs_file"}));
  EXPECT_EQ(cursors(), (Cursors{{"ecs_file", 1}, {"syslog", 1}}));
  record(*store_, exec_event("a"), Verdict::kNew);
  record(*store_, exec_event("b"), Verdict::kNew);
  must(store_->set_position("syslog", 3));
  EXPECT_EQ(states(), "sent,pending,pending");
  must(store_->set_position("ecs_file", 2));
  EXPECT_EQ(states(), "sent,sent,pending");
  must(store_->set_position("ecs_file", 1));  // never back
  EXPECT_EQ(states(), "sent,sent,pending");
  // Without the sink that lags, and with it again: it begins anew.
  must(store_->set_sinks(kSinks));
  EXPECT_EQ(states(), "sent,sent,sent");
  must(store_->set_sinks(std::vector<std::string>{"syslog", "ecs_file"}));
  EXPECT_EQ(cursors(), (Cursors{{"ecs_file", 3}, {"syslog", 3}}));
}

TEST_F(OutboxTest, WhatWasSentDirectlyIsNotQueued) {
  must(store_->set_sinks(kSinks));
  record(*store_, exec_event("a"), Verdict::kNew);
  must(store_->set_direct(1));
  EXPECT_EQ(queued_ids(), Ids{});
  EXPECT_EQ(states(), "sent");
}

TEST_F(OutboxTest, NamesThatWereLookedUpAreTheAlerts) {
  ExecEvent event = exec_event("a");
  event.user.clear();
  event.login_user.clear();
  record(*store_, event, Verdict::kNew);
  must(store_->terms().note_user(event.uid, "bob"));
  must(store_->terms().note_user(event.auid, "alice"));
  const auto alerts = queued(*store_, path_);
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0].event->user, "bob");
  EXPECT_EQ(alerts[0].event->login_user, "alice");
}

TEST_F(OutboxTest, AnUnreadableDetailDoesNotHoldUpAnAlert) {
  record(*store_, exec_event("a"), Verdict::kNew);
  must(must(Database::open(path_, Database::Access::kReadWrite))
           ->execute("UPDATE alert_exec SET detail = 'x'"));
  const auto alerts = queued(*store_, path_);
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0].event->pid, 1234);
  EXPECT_EQ(alerts[0].term.value, "a");
}

}  // namespace
}  // namespace preload
