// SPDX-License-Identifier: Apache-2.0
// The join, on a fake /proc and a clock that the test sets.
#include "preload/correlate/correlator.h"

#include <filesystem>
#include <string>
#include <vector>

#include "correlate/correlator_fixture.h"

namespace preload {
namespace {

using std::string_literals::operator""s;

TEST_F(CorrelatorTest, JoinsASnapshotWithItsAuditEvent) {
  const uint64_t at = notice(7, "v");
  ASSERT_TRUE(record(7));
  EXPECT_TRUE(out_.execs.empty());
  end_events();
  ASSERT_EQ(out_.execs.size(), 1U);
  const ExecEvent& event = out_.execs[0];
  EXPECT_EQ(event.capture, Capture::kExec);
  EXPECT_EQ(event.origin, Origin::kExec);
  EXPECT_EQ(event.env, (std::vector<EnvVar>{{"A", "v"}}));
  EXPECT_EQ(event.exec_ns, at);
  EXPECT_EQ(event.auid, 1000U);
  EXPECT_EQ(event.audit.serial, 1U);
  EXPECT_EQ(coverage(), sums(1, 0, 0));
  EXPECT_EQ(correlator_.pending(), 0U);
}

TEST_F(CorrelatorTest, ExecsWithoutAWatchedVariableAreDroppedUnparsed) {
  notice(7, "");
  EXPECT_FALSE(record(7));
  EXPECT_EQ(coverage(), sums(1, 0, 0));
}

TEST_F(CorrelatorTest, AHundredExecsInARowInOnePid) {
  for (int i = 0; i < 100; ++i) {
    notice(7, i % 3 == 0 ? "" : "v" + std::to_string(i));
    clock_.advance_us(300);
  }
  // Audit's clock is coarse: within 4 ms all execs have the same time.
  for (int i = 0; i < 100; ++i)
    record(7, "/bin/x", (100 - i) * 300 + 4000);
  end_events();
  std::vector<std::string> values;
  for (const ExecEvent& event : out_.execs) {
    values.push_back(event.env.at(0).value);
    EXPECT_EQ("v" + std::to_string(event.audit.serial - 1), values.back());
  }
  EXPECT_EQ(values.size(), 66U);
  EXPECT_EQ(coverage(), sums(100, 0, 0));
}

TEST_F(CorrelatorTest, AnEarlierExecThatAuditLostDoesNotShiftTheJoin) {
  notice(7, "lost", "/bin/lost");
  clock_.advance_us(100);
  notice(7, "v", "/bin/x");
  record(7, "/bin/x");
  end_events();
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].env[0].value, "v");
  pass(5'000'000);
  ASSERT_EQ(out_.execs.size(), 2U);
  EXPECT_EQ(out_.execs[1].origin, Origin::kUnaudited);
  EXPECT_EQ(out_.execs[1].env[0].value, "lost");
  EXPECT_EQ(coverage(), sums(1, 0, 1));
}

TEST_F(CorrelatorTest, APidUsedAgainIsAnotherExec) {
  notice(7, "old");
  advance();
  clock_.advance_us(1'000'000);
  notice(7, "new");
  record(7);
  end_events();
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].env[0].value, "new");
}

TEST_F(CorrelatorTest, TheParentIsWhatItRanAtTheTime) {
  process(5, "", "/bin/parent");
  std::vector<std::string> parents;
  const auto child = [&] { parents.push_back(parent_of_child(5)); };
  child();
  // It has gone; a program that was just read is remembered.
  std::filesystem::remove_all(dir_ / "5");
  child();
  // It comes again as another program, with a listener, or by a record.
  process(5, "", "/bin/second");
  notice(5, "", "/bin/second");
  child();
  process(5, "", "/bin/third");
  record(5, "/bin/third");
  child();
  // Nobody remembers for long.
  std::filesystem::remove_all(dir_ / "5");
  clock_.advance_us(1'000'000);
  child();
  EXPECT_EQ(parents,
            (std::vector<std::string>{"/bin/parent", "/bin/parent",
                                      "/bin/second", "/bin/third", ""}));
}

TEST_F(CorrelatorTest, AnAuditEventAfterItsExecWasSettledCorrectsTheCount) {
  notice(7, "v");
  notice(8, "");
  advance();
  EXPECT_EQ(coverage(), sums(0, 0, 0));
  pass(5'000'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].origin, Origin::kUnaudited);
  EXPECT_EQ(coverage(), sums(0, 0, 2));
  EXPECT_FALSE(record(7, "/bin/x", 5'000'000));
  EXPECT_FALSE(record(8, "/bin/x", 5'000'000));
  EXPECT_EQ(out_.execs.size(), 1U);
  EXPECT_TRUE(out_.missed.empty());
  EXPECT_EQ(coverage(), sums(2, 0, -2));
  // Once: another event of the pid is another exec.
  record(7, "/bin/x", 5'000'000);
  end_events();
  pass(300'000);
  EXPECT_EQ(coverage(), sums(0, 0, 0, {1, 0, 0, 0}));
}

TEST_F(CorrelatorTest, ReadsLateWhatHasNoNotice) {
  process(7, "B=1\0A=v\0"s);
  process(8, "B=1\0"s);
  ASSERT_TRUE(record(7));
  EXPECT_FALSE(record(8));
  end_events();
  EXPECT_TRUE(out_.execs.empty()) << "it is held for a moment";
  pass(300'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].capture, Capture::kLate);
  EXPECT_EQ(out_.execs[0].env[0].value, "v");
  EXPECT_EQ(coverage(), sums(0, 2, 0));
  EXPECT_EQ(correlator_.pending(), 0U);
}

TEST_F(CorrelatorTest, SaysWhyItMissed) {
  process(8, "A=v\0"s, "/bin/another");
  process(9, std::string(64, '\0'));
  process(10, "A=v\0"s, "/bin/x", -5);  // began after the event: pid reuse
  for (int pid : {7, 8, 9, 10})
    EXPECT_TRUE(record(pid));
  end_events();
  pass(300'000);
  ASSERT_EQ(out_.missed.size(), 4U);
  EXPECT_EQ(out_.missed[0].missed, MissReason::kExited);
  EXPECT_EQ(out_.missed[1].missed, MissReason::kReplaced);
  EXPECT_EQ(out_.missed[2].missed, MissReason::kUnreadable);
  EXPECT_EQ(out_.missed[3].missed, MissReason::kExited);
  EXPECT_TRUE(out_.execs.empty());
  EXPECT_EQ(coverage(), sums(0, 0, 0, {2, 0, 1, 1}));
}

TEST_F(CorrelatorTest, ANoticeThatComesLateIsTheBetterSource) {
  process(7, "A=scrubbed\0"s);
  notice(7, "true");
  ExecNotice late = delay_notice();
  record(7, "/bin/x", 1000);
  arrive(std::move(late));
  advance();
  end_events();
  pass(300'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].capture, Capture::kExec);
  EXPECT_EQ(out_.execs[0].env[0].value, "true");
  EXPECT_EQ(coverage(), sums(1, 0, 0));
}

TEST_F(CorrelatorTest, ANoticeThatComesLateIsFoundThoughTheClockWasSet) {
  for (const int64_t step_us : {-5'000L, 5'000L, -3'600'000'000L}) {
    notice(7, "true");
    ExecNotice late = delay_notice();
    record(7, "/bin/x", 1000);
    clock_.step_wall_us(step_us);
    arrive(std::move(late));
    advance();
    end_events();
    pass(300'000);
    EXPECT_EQ(coverage(), sums(1, 0, 0)) << step_us;
    EXPECT_EQ(correlator_.pending(), 0U) << step_us;
    pass(10'000'000);
  }
  EXPECT_EQ(out_.execs.size(), 3U);
  EXPECT_TRUE(out_.missed.empty());
}

TEST_F(CorrelatorTest, ANoticeCorrectsALateReadThatSawNothing) {
  process(7, "B=1\0"s);
  notice(7, "true");
  ExecNotice late = delay_notice();
  EXPECT_FALSE(record(7, "/bin/x", 1000));
  arrive(std::move(late));
  pass(300'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].env[0].value, "true");
  EXPECT_EQ(out_.execs[0].audit.serial, 1U);
  EXPECT_EQ(coverage(), sums(1, 0, 0));
}

TEST_F(CorrelatorTest, ASecondExecOfTheSameProgramSpoilsALateRead) {
  process(7, "A=second\0"s);
  record(7, "/bin/x", 2000);
  record(7, "/bin/x", 1000);
  end_events();
  pass(300'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].audit.serial, 2U);
  ASSERT_EQ(out_.missed.size(), 1U);
  EXPECT_EQ(out_.missed[0].missed, MissReason::kReplaced);
  EXPECT_EQ(coverage(), sums(0, 1, 0, {0, 0, 1, 0}));
}

TEST_F(CorrelatorTest, AReplayedEventDoesNotCountTwice) {
  notice(7, "v");
  record(7);
  end_events();
  --serial_;
  EXPECT_FALSE(record(7));
  pass(6'000'000);
  EXPECT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(coverage(), sums(1, 0, 0));
  EXPECT_EQ(metrics_.get(Metric::kEventsReplayed), 1U);
}

TEST_F(CorrelatorTest, ASteppingClockDoesNotPartWhatBelongsTogether) {
  for (const int64_t step : {int64_t{3'600'000'000}, int64_t{-3'600'000'000}}) {
    // The exec and its audit time are from before the step.
    notice(7, "v");
    const SyscallRecord record =
        syscall_record(7, EncodedValue{"/bin/x", false});
    clock_.advance_us(500);
    clock_.step_wall_us(step);
    EXPECT_TRUE(correlator_.on_exec(record));
    EXPECT_EQ(metrics_.get(Metric::kMissedExited), 0U);
    pass(10'000'000);
  }
}

TEST_F(CorrelatorTest, KnowsALoaderByItsPathAsAuditEncodesIt) {
  notice(7, "");
  EXPECT_TRUE(correlator_.on_exec(syscall_record(
      7, EncodedValue::of("2F746D702F6120622F6C642D6C696E75782E736F2E32"))));
  notice(8, "");
  EXPECT_FALSE(correlator_.on_exec(
      syscall_record(8, EncodedValue::of("2F746D702F612062"))));
}

TEST_F(CorrelatorTest, PathsInAChrootDifferAtTheirBeginning) {
  notice(7, "v", "/srv/jail/bin/x");
  record(7, "/bin/x");
  end_events();
  EXPECT_EQ(out_.execs.size(), 1U);
  EXPECT_TRUE(same_program("/bin/x", "/bin/x"));
  EXPECT_FALSE(same_program("/bin/x", "/bin/y"));
  EXPECT_FALSE(same_program("/bin/xx", "x"));
}

TEST_F(CorrelatorTest, FinishLosesNothing) {
  notice(7, "v");
  process(8, "A=w\0"s);
  record(8);
  end_events();
  correlator_.finish();
  EXPECT_EQ(out_.execs.size(), 2U);
  EXPECT_EQ(coverage(), sums(0, 1, 1));
}

// ---- What did not come whole

TEST_F(CorrelatorTest, ASnapshotThatLostAllItsVariablesIsMissed) {
  notice_truncated(7, {});
  record(7);
  notice_truncated(8, {{"A", "first"}});
  record(8);
  end_events();
  ASSERT_EQ(out_.missed.size(), 1U);
  EXPECT_EQ(out_.missed[0].pid, 7);
  EXPECT_EQ(out_.missed[0].missed, MissReason::kUnreadable);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].env[0].value, "first");
  EXPECT_EQ(coverage(), sums(1, 0, 0, {0, 0, 0, 1}));
}

TEST_F(CorrelatorTest, WhatASnapshotLostMayBeThereStill) {
  process(7, "A=first\0A=second\0"s);
  notice_truncated(7, {{"A", "first"}});
  record(7);
  end_events();
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].env.size(), 2U);
  EXPECT_EQ(coverage(), sums(1, 0, 0));
}

TEST_F(CorrelatorTest, ASnapshotThatLostAllAndThatAuditDidNotReportIsMissed) {
  notice_truncated(7, {});
  advance();
  pass(5'000'000);
  EXPECT_TRUE(out_.execs.empty());
  ASSERT_EQ(out_.missed.size(), 1U);
  EXPECT_EQ(out_.missed[0].executable, "/bin/x");
  EXPECT_EQ(out_.missed[0].missed, MissReason::kUnreadable);
  EXPECT_FALSE(record(7, "/bin/x", 5'000'000)) << "counted already";
  EXPECT_EQ(coverage(), sums(0, 0, 0, {0, 0, 0, 1}));
}

TEST_F(CorrelatorTest, ALateReadKeepsWhatATruncatedNoticeLacks) {
  process(7, "A=seen\0"s);
  notice_truncated(7, {});
  ExecNotice late = delay_notice();
  record(7, "/bin/x", 1000);
  arrive(std::move(late));
  end_events();
  pass(300'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].env[0].value, "seen");
  EXPECT_TRUE(out_.missed.empty());
  EXPECT_EQ(coverage(), sums(1, 0, 0));
}

TEST_F(CorrelatorTest, ALoaderWhoseOptionsDidNotComeIsMissed) {
  const std::vector<std::vector<std::string>> cut{
      {}, {"ld.so"}, {"ld.so", "--argv0", "x"}};
  int32_t pid = 7;
  for (const auto& argv : cut) {
    notice(pid, "");
    record_loader(pid++, argv, 4);
  }
  // No record of arguments at all, not even their number.
  notice(pid, "");
  record_loader(pid, {}, 0);
  end_events();
  EXPECT_EQ(out_.missed.size(), 4U);
  for (const ExecEvent& event : out_.missed)
    EXPECT_EQ(event.missed, MissReason::kUnreadable);
  EXPECT_EQ(coverage(), sums(0, 0, 0, {0, 0, 0, 4}));
  // The options before the cut are told all the same.
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].argv, cut.back());
}

TEST_F(CorrelatorTest, ALoaderWithoutOptionsOrWithAllOfThemIsCaptured) {
  notice(7, "");
  record_loader(7, {"ld.so", "/bin/true", "a"}, 9);
  notice(8, "");
  record_loader(8, {"ld.so", "--preload", "/tmp/x.so", "/bin/true"}, 4);
  // The snapshot has what audit has not.
  notice(9, "v", "/lib/ld-linux.so.2");
  arrived_.back().snapshot->argv = {"ld.so", "--argv0", "x", "/bin/true"};
  record_loader(9, {}, 0);
  end_events();
  EXPECT_EQ(out_.execs.size(), 3U);
  EXPECT_TRUE(out_.missed.empty());
  EXPECT_EQ(coverage(), sums(3, 0, 0));
}

TEST_F(CorrelatorTest, VariablesOfALoaderWhoseOptionsDidNotComeAreTold) {
  notice(7, "v", "/lib/ld-linux.so.2");
  record_loader(7, {"ld.so"}, 4);
  end_events();
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].env[0].value, "v");
  ASSERT_EQ(out_.missed.size(), 1U);
  EXPECT_TRUE(out_.missed[0].env.empty());
  EXPECT_EQ(coverage(), sums(0, 0, 0, {0, 0, 0, 1}));
}

TEST_F(CorrelatorTest, ALoaderWhoseArgumentsWereNotSeenInTimeIsMissed) {
  notice(7, "");
  notice(8, "v", "/lib/ld-linux.so.2");
  arrived_.back().snapshot->argv = {"ld.so", "/bin/true"};
  advance();
  pass(5'000'000);
  EXPECT_EQ(coverage(), sums(0, 0, 2));
  record_loader(7, {"ld.so", "--preload", "/tmp/x.so", "/bin/true"}, 4,
                5'000'000);
  record_loader(8, {"ld.so"}, 4, 5'000'000);
  end_events();
  EXPECT_EQ(out_.execs.size(), 1U) << "the unaudited one";
  ASSERT_EQ(out_.missed.size(), 1U);
  EXPECT_EQ(out_.missed[0].executable, "/lib/ld-linux.so.2");
  EXPECT_EQ(coverage(), sums(1, 0, -2, {0, 0, 0, 1}));
}

}  // namespace
}  // namespace preload
