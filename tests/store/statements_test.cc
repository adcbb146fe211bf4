// SPDX-License-Identifier: Apache-2.0
// Every statement of the daemon is a look-up, however long the history is.
#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "support/process.h"
#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

// Tables that grow with history, and may not be read from end to end.
const std::set<std::string> kGrowing{
    "term", "sighting", "alert", "alert_exec", "missed_exec", "unaudited_exec"};
// These read as many rows as their LIMIT says, or an index of what is pending,
// or run twice in the life of a database (term_in_state).
const std::set<std::string> kBounded{"prune_missed", "prune_unaudited",
                                     "alerts_pending", "alert_all_ready",
                                     "term_in_state"};

class Statements : public testing::Test {
 protected:
  FakeClock clock_;
  TempDir dir_;
  const std::string path_ = dir_ / "history.db";
  const std::unique_ptr<Store> store_ = must(Store::open(path_, clock_));
  const std::unique_ptr<Database> database_ =
      must(Database::open(path_, Database::Access::kReadOnly));
};

TEST_F(Statements, AreLookUps) {
  int seen = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("sql/statements")) {
    ++seen;
    const std::string name = entry.path().stem();
    for (const auto& row :
         rows(*database_, "EXPLAIN QUERY PLAN " + content_of(entry.path()))) {
      const std::string& step = row.at(3);
      EXPECT_EQ(step.find("TEMP B-TREE"), std::string::npos)
          << name << ": " << step;
      if (step.starts_with("SCAN ") && !kBounded.contains(name)) {
        const std::string table = step.substr(5, step.find(' ', 5) - 5);
        EXPECT_FALSE(kGrowing.contains(table)) << name << ": " << step;
      }
    }
  }
  EXPECT_GT(seen, 20) << "run from the top of the tree";
}

TEST_F(Statements, DecisionsAndPruningUseTheRightIndexes) {
  const std::vector<std::pair<std::string, std::string>> kExpected{
      {"term_find", "sqlite_autoindex_term_1 (digest=?)"},
      {"sighting_count", "sqlite_autoindex_sighting_1 (term_id=?)"},
      {"sighting_seen",
       "sqlite_autoindex_sighting_1 (term_id=? AND executable=? AND uid=?)"},
      {"alert_outbox", "alert_queued (alert_id>?)"},
      {"alert_all_ready", "alert_not_ready"},
      {"alerts_pending", "alert_queued (alert_id>?)"},
      {"prune_terms", "term_last_seen (last_seen<?)"},
      {"prune_sightings", "sighting_last_seen (last_seen<?)"},
      {"prune_alerts", "alert_raised (raised_at<?)"}};
  for (const auto& [name, index] : kExpected) {
    std::string plan;
    for (const auto& row :
         rows(*database_, "EXPLAIN QUERY PLAN " +
                              content_of("sql/statements/" + name + ".sql")))
      plan += row.at(3) + "\n";
    EXPECT_NE(plan.find(index), std::string::npos) << name << ":\n" << plan;
  }
}

TEST_F(Statements, ViewsHaveTheColumnsOfTheContract) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(column_names(*database_, "first_seen"),
            (Names{"term_id", "variable", "value", "first_seen", "last_seen",
                   "seen_count", "first_executable", "first_user", "origin"}));
  EXPECT_EQ(column_names(*database_, "sightings"),
            (Names{"term_id", "variable", "value", "executable", "user",
                   "first_seen", "last_seen", "seen_count"}));
  EXPECT_EQ(column_names(*database_, "recent_alerts"),
            (Names{"alert_id", "raised_at", "state", "variable", "value",
                   "executable", "args", "pid", "user", "login_user",
                   "severity", "risk_score", "capture", "audit_id", "kind"}));
  EXPECT_EQ(column_names(*database_, "coverage_by_day"),
            (Names{"day", "execs", "captured_at_exec", "captured_late",
                   "missed", "unaudited", "percent"}));
  EXPECT_EQ(
      column_names(*database_, "missed_execs"),
      (Names{"at", "reason", "executable", "args", "pid", "user", "audit_id"}));
  EXPECT_EQ(
      column_names(*database_, "unaudited_execs"),
      (Names{"at", "variable", "value", "executable", "args", "pid", "user"}));
}

TEST_F(Statements, ViewsShowTimesAndNames) {
  must(store_->set_sinks(kSinks));
  clock_.advance_us(1'500'999);
  record(*store_, exec_event("/tmp/x.so"), Verdict::kNew);
  ExecEvent again = exec_event("/tmp/x.so", 2, kEventTime + 60'000'999);
  again.executable = "/usr/bin/ls";
  again.uid = 0;
  again.user.clear();
  record(*store_, again, Verdict::kKnown);
  record(*store_, unaudited_event("/tmp/x.so", 9), Verdict::kKnown);
  must(store_->flush());
  EXPECT_EQ(
      rows(*database_, "SELECT * FROM first_seen"),
      (Rows{{"1", "LD_PRELOAD", "/tmp/x.so", "2026-11-24T01:47:59.068Z",
             "2026-11-24T01:48:59.068Z", "3", "/usr/bin/id", "bob", "exec"}}));
  EXPECT_EQ(
      rows(*database_, "SELECT * FROM sightings ORDER BY executable"),
      (Rows{{"1", "LD_PRELOAD", "/tmp/x.so", "/usr/bin/id", "bob",
             "2026-11-24T01:47:59.068Z", "2026-11-24T01:47:59.068Z", "2"},
            {"1", "LD_PRELOAD", "/tmp/x.so", "/usr/bin/ls", "0",
             "2026-11-24T01:48:59.068Z", "2026-11-24T01:48:59.068Z", "1"}}));
  EXPECT_EQ(rows(*database_, "SELECT * FROM recent_alerts"),
            (Rows{{"1", "2026-11-24T01:48:00.568Z", "pending", "LD_PRELOAD",
                   "/tmp/x.so", "/usr/bin/id", "id -u", "1234", "bob", "alice",
                   "low", "21", "exec", "1795484879.068:1234", "new_term"}}));
  EXPECT_EQ(rows(*database_, "SELECT * FROM unaudited_execs"),
            (Rows{{"2026-11-24T01:47:59.068Z", "LD_PRELOAD", "/tmp/x.so",
                   "/usr/bin/id", "id -u", "9", "bob"}}));
}

}  // namespace
}  // namespace preload
