// SPDX-License-Identifier: Apache-2.0
// What is read late: whose it is when marks and other execs come after it, and
// parents that hold up who looks at them.
#include <sys/stat.h>

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
  for (const bool mark_first : {false, true}) {
    mark(7, "");
    arrived_.back().kind = SnapshotKind::kUnread;
    if (mark_first) {
      record(7);
    } else {
      ExecMark late = withhold();
      record(7, "/bin/x", 1000);
      give(std::move(late));
    }
    correlator_.advance();
    end_events();
    pass(6'000'000);
    EXPECT_EQ(coverage(), sums(0, 0, 0, {1, 0, 0, 0}));
    EXPECT_EQ(correlator_.pending(), 0U);
    pass(60'000'000);
  }
}

TEST_F(CorrelatorTest, AMarkOfTheNextExecIsNotTakenForOneThatHadItsOwn) {
  mark(7, "");
  arrived_.back().kind = SnapshotKind::kUnread;
  mark(7, "next");
  arrived_.back().exec_ns += 1;
  ExecMark next = withhold();
  record(7);
  give(std::move(next));
  correlator_.advance();
  record(7);
  end_events();
  pass(300'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].audit.serial, 2U);
  EXPECT_EQ(coverage(), sums(1, 0, 0, {1, 0, 0, 0}));
}

TEST_F(CorrelatorTest, ADeletedProgramIsTheSameProgram) {
  process(7, "B=1\0"s, "/bin/x (deleted)");
  mark(7, "true", "/bin/x");
  ExecMark late = withhold();
  record(7, "/bin/x (deleted)", 1000);
  give(std::move(late));
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

// A FIFO stands for the hang.
TEST_F(CorrelatorTest, AParentThatHangsIsWaitedForOnce) {
  const std::string stat = dir_ / "5/stat";
  std::filesystem::create_directory(dir_ / "5");
  ASSERT_EQ(::mkfifo(stat.c_str(), 0600), 0);
  std::vector<std::string> parents;
  const auto child = [&] { parents.push_back(parent_of_child(5)); };
  child();
  // Lets go the thread that was left behind.
  const Fd writer(::open(stat.c_str(), O_RDWR | O_CLOEXEC));
  std::filesystem::remove(stat);
  process(5, "", "/bin/parent");
  child();
  clock_.advance_us(1'000'000);
  child();
  EXPECT_EQ(parents, (std::vector<std::string>{"", "", "/bin/parent"}));
}

}  // namespace
}  // namespace preload
