// SPDX-License-Identifier: Apache-2.0
#include "preload/store/exec_lists.h"

#include <gtest/gtest.h>

#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class ExecListsTest : public testing::Test {
 protected:
  ExecEvent missed(int32_t pid) {
    ExecEvent event = exec_event("", pid);
    event.capture = Capture::kNone;
    event.missed = MissReason::kDenied;
    event.env.clear();
    return event;
  }
  std::string ask(std::string_view sql) { return value_of(path_, sql); }

  FakeClock clock_;
  TempDir dir_;
  std::string path_ = dir_ / "history.db";
  std::unique_ptr<Store> store_ = must(Store::open(path_, clock_));
};

TEST_F(ExecListsTest, KeepsTheLatest) {
  for (int32_t pid = 1; pid <= 12'345; ++pid) {
    record_missed(*store_, missed(pid));
    record(*store_, unaudited_event("v", pid),
           pid == 1 ? Verdict::kNew : Verdict::kKnown);
    if (pid % 500 == 0)
      must(store_->flush());
  }
  must(store_->flush());
  for (const char* view : {"missed_execs", "unaudited_execs"})
    EXPECT_EQ(rows(path_, std::string("SELECT count(*), min(pid), max(pid) "
                                      "FROM ") +
                              view),
              (Rows{{"10000", "2346", "12345"}}))
        << view;
}

TEST_F(ExecListsTest, ShowsWhatIsKnown) {
  record_missed(*store_, missed(5));
  ExecEvent long_one = missed(6);
  long_one.argv = {"id", std::string(5000, '\x01')};
  record_missed(*store_, long_one);
  must(store_->flush());
  EXPECT_EQ(rows(path_, "SELECT * FROM missed_execs")[0],
            (std::vector<std::string>{"2026-11-24T01:47:59.068Z", "denied",
                                      "/usr/bin/id", "id -u", "5", "bob",
                                      "1795484879.068:5"}));
  EXPECT_EQ(ask("SELECT length(args) FROM missed_execs WHERE pid = 6"), "1023");
}

TEST_F(ExecListsTest, WaitsInMemoryWithinABound) {
  for (int32_t pid = 1; pid <= 5000; ++pid)
    record_missed(*store_, missed(pid));
  EXPECT_EQ(ask("SELECT count(*) FROM missed_execs"), "0");
  must(store_->flush());
  EXPECT_EQ(rows(path_, "SELECT count(*), min(pid) FROM missed_execs"),
            (Rows{{"1000", "4001"}}));
}

TEST_F(ExecListsTest, ARollbackTakesItsOwnAndNothingElse) {
  record_missed(*store_, missed(1));
  must(store_->begin());
  record_missed(*store_, missed(2));
  record_missed(*store_, missed(3));
  store_->rollback();
  must(store_->flush());
  must(store_->begin());
  record_missed(*store_, missed(4));
  must(store_->commit());
  must(store_->flush());
  EXPECT_EQ(ask("SELECT group_concat(pid) FROM missed_execs"), "1,4");
}

TEST_F(ExecListsTest, OldOnesArePruned) {
  record(*store_, unaudited_event("v", 1), Verdict::kNew);
  record_missed(*store_, missed(2));
  while (must(store_->prune(kEventTime, 10)) != 0) {
  }
  must(store_->flush());
  EXPECT_EQ(ask("SELECT count(*) FROM missed_execs"), "1");
  while (must(store_->prune(kEventTime + 1, 10)) != 0) {
  }
  EXPECT_EQ(ask("SELECT count(*) FROM missed_execs"), "0");
  EXPECT_EQ(ask("SELECT count(*) FROM unaudited_execs"), "0");
}

}  // namespace
}  // namespace preload
