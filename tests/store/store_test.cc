// SPDX-License-Identifier: Apache-2.0
#include "preload/store/store.h"

#include <random>

#include <gtest/gtest.h>

#include "preload/base/text.h"
#include "preload/store/terms.h"
#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class StoreTest : public testing::Test {
 protected:
  void reopen() {
    store_.reset();
    store_ = must(Store::open(path_, clock_));
  }
  void SetUp() override { reopen(); }
  std::string ask(std::string_view sql) { return value_of(path_, sql); }
  std::optional<int64_t> last_counted(const std::string& value) {
    return must(store_->terms().last_counted(
        decision(value, Verdict::kKnown).term.digest));
  }

  FakeClock clock_;
  TempDir dir_;
  std::string path_ = dir_ / "history.db";
  std::unique_ptr<Store> store_;
};

constexpr int64_t kHour = 3'600'000'000;

TEST_F(StoreTest, RemembersWhatItWasTold) {
  EXPECT_EQ(store_->created_at_us(), clock_.wall_us());
  EXPECT_EQ(last_counted("/tmp/x.so"), std::nullopt);

  const auto alerts = record(*store_, exec_event("/tmp/x.so"), Verdict::kNew);
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0].alert_id, 1);
  EXPECT_FALSE(alerts[0].capped);
  EXPECT_EQ(*alerts[0].event, exec_event("/tmp/x.so"));
  EXPECT_EQ(alerts[0].term.value, "/tmp/x.so");
  EXPECT_EQ(last_counted("/tmp/x.so"), kEventTime);
  EXPECT_EQ(must(store_->term_count()), 1);

  clock_.advance_us(kHour);
  reopen();
  EXPECT_EQ(store_->created_at_us(), clock_.wall_us() - kHour);
  EXPECT_EQ(last_counted("/tmp/x.so"), kEventTime);
  EXPECT_EQ(last_counted("/tmp/y.so"), std::nullopt);
}

TEST_F(StoreTest, ADecisionMadesOnTheDiskBeforeTheCallReturns) {
  record(*store_, exec_event("/tmp/x.so"), Verdict::kNew);
  EXPECT_EQ(ask("SELECT state FROM alert"), "queued");
  EXPECT_EQ(ask("SELECT count(*) FROM sighting"), "1");
}

TEST_F(StoreTest, EachVerdictHasItsState) {
  const std::vector<std::pair<Verdict, std::string>> kStates{
      {Verdict::kNew, "alerted"},       {Verdict::kCapped, "capped"},
      {Verdict::kExcepted, "excepted"}, {Verdict::kLearned, "learned"},
      {Verdict::kBaseline, "baseline"}, {Verdict::kRecorded, "recorded"}};
  for (const auto& [verdict, state] : kStates) {
    const auto alerts = record(*store_, exec_event(state), verdict);
    EXPECT_EQ(ask("SELECT state FROM term WHERE value = '" + state + "'"),
              state);
    const bool raised = verdict == Verdict::kNew || verdict == Verdict::kCapped;
    EXPECT_EQ(alerts.size(), raised ? 1U : 0U) << state;
    EXPECT_EQ(last_counted(state).has_value(), counts_as_history(verdict));
  }
  EXPECT_EQ(must(store_->term_count()), 6);
  EXPECT_EQ(ask("SELECT group_concat(state) FROM alert"), "queued,capped");
}

TEST_F(StoreTest, KnownSightingsSlideTheWindowBeforeTheyAreWritten) {
  record(*store_, exec_event("v"), Verdict::kNew);
  record(*store_, exec_event("v", 2, kEventTime + kHour), Verdict::kKnown);
  EXPECT_EQ(last_counted("v"), kEventTime + kHour);
  EXPECT_EQ(ask("SELECT seen_count FROM term"), "1");
  // An older one does not turn time back.
  record(*store_, exec_event("v", 3, kEventTime - kHour), Verdict::kKnown);
  EXPECT_EQ(last_counted("v"), kEventTime + kHour);

  must(store_->flush());
  EXPECT_EQ(rows(path_,
                 "SELECT seen_count, last_seen, last_counted, "
                 "first_seen FROM term")[0],
            (std::vector<std::string>{"3", std::to_string(kEventTime + kHour),
                                      std::to_string(kEventTime + kHour),
                                      std::to_string(kEventTime)}));
  EXPECT_EQ(ask("SELECT seen_count FROM sighting"), "3");
  must(store_->flush());
  EXPECT_EQ(ask("SELECT seen_count FROM term"), "3");
}

TEST_F(StoreTest, ExceptedSightingsAreNoHistory) {
  record(*store_, exec_event("v"), Verdict::kExcepted);
  record(*store_, exec_event("v", 2, kEventTime + 1), Verdict::kExcepted);
  EXPECT_EQ(last_counted("v"), std::nullopt);
  reopen();
  EXPECT_EQ(last_counted("v"), std::nullopt);
  EXPECT_EQ(ask("SELECT seen_count FROM term"), "2");
  // The exception is gone: new.
  EXPECT_EQ(
      record(*store_, exec_event("v", 3, kEventTime + 2), Verdict::kNew).size(),
      1U);
  EXPECT_EQ(last_counted("v"), kEventTime + 2);
  // And back: what was counted stays counted.
  record(*store_, exec_event("v", 4, kEventTime + 3), Verdict::kExcepted);
  EXPECT_EQ(last_counted("v"), kEventTime + 2);
  reopen();
  EXPECT_EQ(last_counted("v"), kEventTime + 2);
  EXPECT_EQ(rows(path_, "SELECT state, seen_count, last_seen FROM term")[0],
            (std::vector<std::string>{"alerted", "4",
                                      std::to_string(kEventTime + 3)}));
}

TEST_F(StoreTest, ATermThatIsNewAgainRaisesAgain) {
  record(*store_, exec_event("v"), Verdict::kNew);
  const auto again = record(
      *store_, exec_event("v", 9, kEventTime + 1000 * kHour), Verdict::kNew);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].alert_id, 2);
  EXPECT_EQ(must(store_->term_count()), 1);
  EXPECT_EQ(
      rows(path_,
           "SELECT seen_count, first_seen, last_counted "
           "FROM term")[0],
      (std::vector<std::string>{"2", std::to_string(kEventTime),
                                std::to_string(kEventTime + 1000 * kHour)}));
}

TEST_F(StoreTest, HostileBytesComeBackExactly) {
  std::mt19937 random(17);
  must(store_->begin());
  std::vector<Alert> sent;
  for (int i = 0; i < 400; ++i) {
    ExecEvent event = exec_event(hostile_bytes(random, 300), i + 1);
    event.executable = "/" + hostile_bytes(random, 50);
    event.argv = {hostile_bytes(random, 50), hostile_bytes(random, 50)};
    event.cwd = hostile_bytes(random, 50);
    event.user = "u" + hostile_bytes(random, 10);
    Decision made = decision(event.env[0].value + std::to_string(i),
                             Verdict::kNew, "LD_" + hostile_bytes(random, 5));
    made.term.context = {hostile_bytes(random, 30), hostile_bytes(random, 30)};
    event.env = {{made.term.variable, made.term.value}};
    auto alerts = must(store_->record(shared(event), {&made, 1}, kMark));
    ASSERT_EQ(alerts.size(), 1U);
    sent.push_back(std::move(alerts[0]));
  }
  must(store_->commit());
  reopen();
  const auto kept = queued(*store_, path_);
  ASSERT_EQ(kept.size(), sent.size());
  for (size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(kept[i].alert_id, sent[i].alert_id);
    EXPECT_EQ(*kept[i].event, *sent[i].event);
    EXPECT_EQ(kept[i].term.digest, sent[i].term.digest);
    EXPECT_EQ(kept[i].term.variable, sent[i].term.variable);
    EXPECT_EQ(kept[i].term.value, sent[i].term.value);
  }
  const auto table =
      rows(path_,
           "SELECT value, coalesce(value_bytes, value), "
           "json_extract(context, '$[1]') FROM term ORDER BY term_id");
  for (size_t i = 0; i < table.size(); ++i) {
    EXPECT_EQ(table[i][0], escaped(sent[i].term.value));
    EXPECT_EQ(table[i][1], sent[i].term.value);
    EXPECT_EQ(unescaped(table[i][2]), sent[i].term.context[1]);
  }
  for (const auto& row : rows(path_, "SELECT * FROM recent_alerts"))
    for (const std::string& column : row)
      EXPECT_EQ(column.find_first_of("\n\x1b\x7f"), std::string::npos);
}

TEST_F(StoreTest, ARollbackTakesItsOwnAndNothingElse) {
  record(*store_, exec_event("old"), Verdict::kNew);
  record(*store_, exec_event("old", 2, kEventTime + 1), Verdict::kKnown);
  must(store_->begin());
  record(*store_, exec_event("new", 3), Verdict::kNew);
  record(*store_, exec_event("old", 4, kEventTime + 2), Verdict::kKnown);
  EXPECT_FALSE(store_->flush()) << "not within a transaction";
  EXPECT_EQ(last_counted("new"), kEventTime);
  EXPECT_EQ(last_counted("old"), kEventTime + 2);
  store_->rollback();
  EXPECT_EQ(last_counted("new"), std::nullopt);
  EXPECT_EQ(last_counted("old"), kEventTime + 1);
  EXPECT_EQ(must(store_->term_count()), 1);
  must(store_->flush());
  EXPECT_EQ(ask("SELECT seen_count FROM term"), "2");
  EXPECT_EQ(record(*store_, exec_event("new", 5), Verdict::kNew).size(), 1U);
  EXPECT_EQ(ask("SELECT count(*) FROM term"), "2");
}

TEST_F(StoreTest, AnIdIsNeverUsedAgain) {
  record(*store_, exec_event("a"), Verdict::kNew);
  while (must(store_->prune(INT64_MAX, 100)) != 0) {
  }
  EXPECT_EQ(must(store_->term_count()), 0);
  EXPECT_EQ(record(*store_, exec_event("b"), Verdict::kNew)[0].alert_id, 2);
}

TEST_F(StoreTest, MoreTermsThanTheCacheHolds) {
  // More than the cache holds, and pending counts while entries fall out of it.
  constexpr int kTerms = static_cast<int>(Terms::kCached) * 5 / 4;
  must(store_->begin());
  for (int i = 0; i < kTerms; ++i)
    record(*store_, exec_event("v" + std::to_string(i)), Verdict::kLearned);
  must(store_->commit());
  for (int i = 0; i < kTerms; ++i)
    record(*store_, exec_event("v" + std::to_string(i), 1, kEventTime + 5),
           Verdict::kKnown);
  for (int i = 0; i < kTerms; i += 97)
    ASSERT_EQ(last_counted("v" + std::to_string(i)), kEventTime + 5) << i;
  must(store_->flush());
  EXPECT_EQ(ask("SELECT count(*) FROM term WHERE seen_count = 2"),
            std::to_string(kTerms));
  EXPECT_EQ(ask("SELECT count(*) FROM sighting WHERE seen_count = 2"),
            std::to_string(kTerms));
}

TEST_F(StoreTest, CopiesOfAProgramMakeABoundedNumberOfRows) {
  must(store_->begin());
  record(*store_, exec_event("v"), Verdict::kNew);
  for (int i = 0; i < 2 * Terms::kSightingsPerTerm; ++i) {
    ExecEvent event = exec_event("v");
    event.executable = "/tmp/copy" + std::to_string(i);
    record(*store_, event, Verdict::kKnown);
  }
  must(store_->commit());
  must(store_->flush());
  EXPECT_EQ(ask("SELECT count(*) FROM sighting"),
            std::to_string(Terms::kSightingsPerTerm));
  EXPECT_EQ(ask("SELECT seen_count FROM term"),
            std::to_string(2 * Terms::kSightingsPerTerm + 1));
}

TEST_F(StoreTest, PrunesInSteps) {
  must(store_->set_sinks(kSinks));
  for (int i = 0; i < 50; ++i)
    record(*store_, exec_event("v" + std::to_string(i), i, kEventTime + i),
           Verdict::kNew);
  record(*store_, exec_event("v3", 3, kEventTime + 500), Verdict::kKnown);
  for (int64_t id = 2; id <= 50; ++id)  // not the first
    must(store_->set_direct(id));

  EXPECT_EQ(must(store_->prune(kEventTime, 7)), 0U);
  size_t steps = 0;
  while (const size_t n = must(store_->prune(kEventTime + 25, 7))) {
    ASSERT_LE(n, 7U);
    ++steps;
  }
  EXPECT_GT(steps, 5U);
  // v0 has an alert to be sent, v3 was seen again.
  EXPECT_EQ(ask("SELECT group_concat(value) FROM "
                "(SELECT value FROM term ORDER BY term_id LIMIT 3)"),
            "v0,v3,v25");
  EXPECT_EQ(must(store_->term_count()), 27);
  EXPECT_EQ(last_counted("v3"), kEventTime + 500);
  EXPECT_EQ(last_counted("v4"), std::nullopt);
  EXPECT_EQ(ask("SELECT count(*) FROM sighting WHERE last_seen < " +
                std::to_string(kEventTime + 25)),
            "0");
  EXPECT_EQ(ask("SELECT count(*) FROM alert_exec"),
            ask("SELECT count(DISTINCT exec_id) FROM alert"));
  EXPECT_EQ(record(*store_, exec_event("v4"), Verdict::kNew).size(), 1U);
}

TEST_F(StoreTest, CoverageAddsUpAndTakesBack) {
  must(store_->add_coverage({20'000, 100, 10, 5, {1, 2, 3, 4}}));
  must(store_->add_coverage({20'000, 1, 0, -1, {0, 0, 0, 0}}));
  EXPECT_EQ(rows(path_, "SELECT * FROM coverage_by_day"),
            (Rows{{"2024-10-04", "125", "101", "10", "10", "4", "92.0"}}));
  must(store_->add_coverage({20'001, 99'999, 0, 0, {1, 0, 0, 0}}));
  must(store_->add_coverage({20'002, 0, 0, 0, {0, 0, 0, 0}}));
  must(store_->add_coverage({20'003, 7, 0, 0, {0, 0, 0, 0}}));
  EXPECT_EQ(rows(path_, "SELECT percent FROM coverage_by_day"),
            (Rows{{"92.0"}, {"99.99"}, {"NULL"}, {"100.0"}}));
}

TEST_F(StoreTest, AnInventoryThatWasCutShortIsKnown) {
  EXPECT_FALSE(must(store_->reached(Milestone::kBaselineTaken)));
  must(store_->begin());
  must(store_->set_reached(Milestone::kBaselineTaken));
  store_->rollback();
  EXPECT_FALSE(must(store_->reached(Milestone::kBaselineTaken)));
  must(store_->set_reached(Milestone::kBaselineTaken));
  reopen();
  EXPECT_TRUE(must(store_->reached(Milestone::kBaselineTaken)));
}

TEST_F(StoreTest, NamesOfUsersShowWhereverTheyBecomeKnown) {
  ExecEvent event = exec_event("v");
  event.user.clear();
  event.login_user.clear();
  record(*store_, event, Verdict::kNew);
  EXPECT_EQ(ask("SELECT first_user FROM first_seen"), "1000");
  record(*store_, exec_event("v"), Verdict::kKnown);
  EXPECT_EQ(ask("SELECT first_user FROM first_seen"), "bob");
  EXPECT_EQ(ask("SELECT login_user FROM recent_alerts"), "alice");
  event.user = "robert";
  record(*store_, event, Verdict::kKnown);
  EXPECT_EQ(ask("SELECT user FROM sightings"), "robert");
}

}  // namespace
}  // namespace preload
