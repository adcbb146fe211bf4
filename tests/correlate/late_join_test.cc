// SPDX-License-Identifier: Apache-2.0
// What is read late: whose it is when notices and other execs come after it,
// and reads that hang.
#include <filesystem>
#include <string>
#include <vector>

#include "correlate/correlator_fixture.h"

namespace preload {
namespace {

using std::string_literals::operator""s;

TEST_F(CorrelatorTest, AValueReadLateIsTheLaterExecsWhenThatCannotBeRead) {
  process(7, "A=seen\0"s);
  record(7, "/bin/x", 2000);
  std::filesystem::remove_all(dir_ / "7");
  record(7, "/bin/x", 1000);
  end_events();
  pass(300'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].env[0].value, "seen");
  EXPECT_EQ(out_.execs[0].audit.serial, 2U);
  ASSERT_EQ(out_.missed.size(), 1U);
  EXPECT_EQ(out_.missed[0].missed, MissReason::kReplaced);
  EXPECT_EQ(coverage(), sums(0, 1, 0, {0, 0, 1, 0}));
}

TEST_F(CorrelatorTest, AReadThatSawNothingIsNotTheLaterExecs) {
  process(7, "B=1\0"s);
  record(7, "/bin/x", 2000);
  std::filesystem::remove_all(dir_ / "7");
  record(7, "/bin/x", 1000);
  end_events();
  pass(300'000);
  EXPECT_TRUE(out_.execs.empty());
  EXPECT_EQ(out_.missed.size(), 2U);
  EXPECT_EQ(coverage(), sums(0, 0, 0, {1, 0, 1, 0}));
}

TEST_F(CorrelatorTest, AProgramNamedAsSeenFromOutsideSpoilsALateRead) {
  // In a chroot /bin/x, outside /jail/bin/x: it may have been either.
  process(7, "B=1\0"s, "/jail/bin/x");
  record(7, "/bin/x", 2000);
  record(7, "/jail/bin/x", 1000);
  end_events();
  pass(300'000);
  EXPECT_EQ(coverage(), sums(0, 1, 0, {0, 0, 1, 0}));
}

TEST_F(CorrelatorTest, AnExecThatNobodyCouldReadIsMissedOnce) {
  for (const bool notice_first : {false, true}) {
    notice(7, "");
    arrived_.back().kind = SnapshotKind::kUnread;
    if (notice_first) {
      record(7);
    } else {
      ExecNotice late = delay_notice();
      record(7, "/bin/x", 1000);
      arrive(std::move(late));
    }
    advance();
    end_events();
    pass(6'000'000);
    EXPECT_EQ(coverage(), sums(0, 0, 0, {1, 0, 0, 0}));
    EXPECT_EQ(correlator_.pending(), 0U);
    pass(60'000'000);
  }
}

TEST_F(CorrelatorTest, ANoticeOfTheNextExecIsNotTakenForOneThatHadItsOwn) {
  notice(7, "");
  arrived_.back().kind = SnapshotKind::kUnread;
  notice(7, "next");
  arrived_.back().exec_ns += 1;
  ExecNotice next = delay_notice();
  record(7);
  arrive(std::move(next));
  advance();
  record(7);
  end_events();
  pass(300'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].audit.serial, 2U);
  EXPECT_EQ(coverage(), sums(1, 0, 0, {1, 0, 0, 0}));
}

TEST_F(CorrelatorTest, ADeletedProgramIsTheSameProgram) {
  process(7, "B=1\0"s, "/bin/x (deleted)");
  notice(7, "true", "/bin/x");
  ExecNotice late = delay_notice();
  record(7, "/bin/x (deleted)", 1000);
  arrive(std::move(late));
  pass(300'000);
  pass(6'000'000);
  EXPECT_EQ(coverage(), sums(1, 0, 0));
  // Deleted between the exec and the read.
  process(8, "A=v\0"s, "/bin/x (deleted)");
  record(8);
  end_events();
  pass(300'000);
  EXPECT_EQ(coverage(), sums(0, 1, 0));
}

TEST_F(CorrelatorTest, AProgramWhosePathCannotBeReadIsNotOneThatExited) {
  process(7, "A=v\0"s);
  // A fake of ENAMETOOLONG: not a link.
  std::filesystem::remove(dir_ / "7/exe");
  std::filesystem::create_directory(dir_ / "7/exe");
  record(7);
  end_events();
  pass(300'000);
  EXPECT_EQ(coverage(), sums(0, 0, 0, {0, 0, 0, 1}));
}

TEST_F(CorrelatorTest, AParentThatHangsIsWaitedForOnce) {
  reads_hang_ = true;
  for (int32_t pid = 7; pid < 10; ++pid) {
    notice(pid, "v");
    arrived_.back().snapshot->ppid = 5;
    record(pid);
  }
  end_events();
  EXPECT_TRUE(out_.execs.empty()) << "the parent is not known yet";
  ASSERT_EQ(requests_.size(), 1U);
  correlator_.on_late_result(LateResult(std::move(requests_.front())));
  requests_.clear();
  EXPECT_EQ(out_.execs.size(), 3U);
  EXPECT_EQ(coverage(), sums(3, 0, 0));
  // And not again for a moment.
  EXPECT_EQ(parent_of_child(5), "");
  EXPECT_TRUE(requests_.empty());
  clock_.advance_us(1'000'000);
  reads_hang_ = false;
  process(5, "", "/bin/parent");
  EXPECT_EQ(parent_of_child(5), "/bin/parent");
}

TEST_F(CorrelatorTest, AReadThatIsUnderWayIsWaitedFor) {
  process(7, "A=v\0"s, "/bin/x", 10);
  reads_hang_ = true;
  record(7);
  end_events();
  pass(2'000'000);
  EXPECT_TRUE(out_.execs.empty());
  EXPECT_EQ(correlator_.pending(), 1U);
  reads_hang_ = false;
  advance();
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].capture, Capture::kLate);
  EXPECT_EQ(coverage(), sums(0, 1, 0));
}

TEST_F(CorrelatorTest, ARecordThatComesDuringTheReadSpoilsIt) {
  process(7, "A=seen\0"s);
  reads_hang_ = true;
  record(7, "/bin/x", 2000);
  record(7, "/bin/x", 1000);
  ASSERT_EQ(requests_.size(), 2U);
  LateRequest second = std::move(requests_.back());
  requests_.pop_back();
  read_late();
  correlator_.on_late_result(LateResult(std::move(second)));
  end_events();
  reads_hang_ = false;
  pass(300'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].env[0].value, "seen");
  EXPECT_EQ(out_.execs[0].audit.serial, 2U);
  EXPECT_EQ(coverage(), sums(0, 1, 0, {0, 0, 1, 0}));
}

TEST_F(CorrelatorTest, ARefusedOrLostReadIsMissed) {
  process(7, "A=v\0"s);
  queue_full_ = true;
  record(7);
  queue_full_ = false;
  reads_hang_ = true;
  record(8);
  correlator_.finish();
  EXPECT_EQ(out_.missed.size(), 2U);
  EXPECT_EQ(coverage(), sums(0, 0, 0, {0, 0, 0, 2}));
  EXPECT_EQ(correlator_.pending(), 0U);
}

}  // namespace
}  // namespace preload
