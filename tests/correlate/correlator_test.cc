// SPDX-License-Identifier: Apache-2.0
// The join, on a fake /proc and a clock that the test sets.
#include "preload/correlate/correlator.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

using std::string_literals::operator""s;

class Recorder final : public ExecHandler {
 public:
  void on_exec(ExecEvent&& event) override {
    execs.push_back(std::move(event));
  }
  void on_audited_after_all(ExecEvent&& event) override {
    after_all.push_back(std::move(event));
  }
  void on_missed(ExecEvent&& event) override {
    missed.push_back(std::move(event));
  }
  void on_preload_file(ExecEvent&& /*event*/) override {}

  std::vector<ExecEvent> execs, after_all, missed;
};

class CorrelatorTest : public testing::Test {
 protected:
  CorrelatorTest()
      : proc_(std::move(*ProcReader::open_proc(dir_.path().c_str()))),
        late_(proc_, clock_),
        correlator_(clock_, metrics_, late_, out_,
                    [this](std::vector<ExecMark>& marks) {
                      for (ExecMark& mark : arrived_)
                        marks.push_back(std::move(mark));
                      arrived_.clear();
                    },
                    &watched_, {}) {}

  // A listener reports an exec of `pid` now.
  uint64_t mark(int32_t pid, const std::string& value,
                const std::string& exe = "/bin/x") {
    const auto now = static_cast<uint64_t>(clock_.monotonic_ns());
    ExecMark mark{SnapshotKind::kNothing, 0, pid, now, nullptr};
    if (!value.empty()) {
      mark.kind = SnapshotKind::kWatched;
      mark.snapshot = std::make_unique<ExecSnapshot>();
      mark.snapshot->pid = pid;
      mark.snapshot->exec_ns = now;
      mark.snapshot->executable = exe;
      mark.snapshot->env = {{"A", value}};
    }
    arrived_.push_back(std::move(mark));
    return now;
  }

  // Audit's record of an exec of `pid` that began `ago_us` before now. Gives
  // the token when the event is wanted.
  std::optional<uint64_t> record(int32_t pid, const std::string& exe = "/bin/x",
                                 int64_t ago_us = 0) {
    ExecRecord record;
    const int64_t begun_us = clock_.wall_us() - ago_us;
    record.id.sec = begun_us / 1'000'000;
    record.id.ms = static_cast<uint32_t>(begun_us / 1000 % 1000);
    record.id.serial = ++serial_;
    record.pid = pid;
    record.exe = EncodedValue{exe, false};
    const ExecVerdict verdict = correlator_.on_exec(record);
    if (!verdict.keep)
      return std::nullopt;
    AuditExec exec;
    exec.id = record.id.audit_id();
    exec.pid = pid;
    exec.exe = exe;
    exec.auid = 1000;
    events_.emplace_back(verdict.token, std::move(exec));
    return verdict.token;
  }

  // The rest of the records of all kept events comes.
  void end_events() {
    for (auto& [token, exec] : events_)
      correlator_.on_exec_event(token, std::move(exec));
    events_.clear();
  }

  // A process in the fake /proc that began long ago.
  void process(int32_t pid, const std::string& environ,
               const std::string& exe = "/bin/x", int64_t age_s = 1) {
    const std::string path = dir_ / std::to_string(pid);
    std::filesystem::create_directory(path);
    std::ofstream(path + "/environ") << environ;
    std::filesystem::remove(path + "/exe");
    std::filesystem::create_symlink(exe, path + "/exe");
    timespec boot{};
    ::clock_gettime(CLOCK_BOOTTIME, &boot);
    const int64_t start = (boot.tv_sec - age_s) * ::sysconf(_SC_CLK_TCK);
    std::ofstream(path + "/stat")
        << pid << " (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 "
        << std::max<int64_t>(start, 1)
        << " 4096 1 1 1 1 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 1 1 1 1 1 " << 0
        << " " << environ.size() << " 0\n";
  }

  void pass(int64_t us) {
    clock_.advance_us(us);
    correlator_.advance();
  }

  CoverageDelta coverage() {
    CoverageDelta sum;
    for (const CoverageDelta& delta : correlator_.take_coverage()) {
      sum.captured_at_exec += delta.captured_at_exec;
      sum.captured_late += delta.captured_late;
      sum.unaudited += delta.unaudited;
      for (size_t i = 0; i < sum.missed.size(); ++i)
        sum.missed[i] += delta.missed[i];
    }
    return sum;
  }
  static CoverageDelta sums(int64_t at_exec, int64_t late, int64_t unaudited,
                            std::array<int64_t, 4> missed = {}) {
    return {0, at_exec, late, unaudited, missed};
  }

  TempDir dir_;
  FakeClock clock_;
  Metrics metrics_;
  Fd proc_;
  LateReader late_;
  Recorder out_;
  const std::vector<std::string> names_{"A"};
  WatchList watched_{names_};
  std::vector<ExecMark> arrived_;
  std::vector<std::pair<uint64_t, AuditExec>> events_;
  uint64_t serial_ = 0;
  Correlator correlator_;
};

TEST_F(CorrelatorTest, JoinsASnapshotWithItsAuditEvent) {
  const uint64_t at = mark(7, "v");
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
  mark(7, "");
  EXPECT_FALSE(record(7));
  EXPECT_EQ(coverage(), sums(1, 0, 0));
}

TEST_F(CorrelatorTest, AHundredExecsInARowInOnePid) {
  for (int i = 0; i < 100; ++i) {
    mark(7, i % 3 == 0 ? "" : "v" + std::to_string(i));
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
  mark(7, "lost", "/bin/lost");
  clock_.advance_us(100);
  mark(7, "v", "/bin/x");
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
  mark(7, "old");
  correlator_.advance();
  clock_.advance_us(1'000'000);
  mark(7, "new");
  record(7);
  end_events();
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].env[0].value, "new");
}

TEST_F(CorrelatorTest, TheParentIsWhatItRanAtTheTime) {
  process(5, "", "/bin/parent");
  std::vector<std::string> parents;
  const auto child = [&] {
    mark(7, "v");
    arrived_.back().snapshot->ppid = 5;
    arrived_.back().snapshot->start_ticks = UINT64_MAX;
    record(7);
    end_events();
    parents.push_back(out_.execs.back().parent_executable);
  };
  child();
  // It has gone; who has just been looked at is remembered.
  std::filesystem::remove_all(dir_ / "5");
  child();
  // It comes again as another program, with a listener, or by a record.
  process(5, "", "/bin/second");
  mark(5, "", "/bin/second");
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

TEST_F(CorrelatorTest, UnauditedAndThenAuditedAfterAll) {
  const uint64_t at = mark(7, "v");
  mark(8, "");
  correlator_.advance();
  EXPECT_EQ(coverage(), sums(0, 0, 0));
  pass(5'000'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].origin, Origin::kUnaudited);
  EXPECT_EQ(coverage(), sums(0, 0, 2));
  record(7, "/bin/x", 5'000'000);
  record(8, "/bin/x", 5'000'000);
  end_events();
  EXPECT_EQ(out_.execs.size(), 1U);
  ASSERT_EQ(out_.after_all.size(), 1U);
  EXPECT_EQ(out_.after_all[0].exec_ns, at);
  EXPECT_EQ(out_.after_all[0].env[0].value, "v");
  EXPECT_EQ(coverage(), sums(2, 0, -2));
}

TEST_F(CorrelatorTest, ReadsLateWhatHasNoMark) {
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

TEST_F(CorrelatorTest, AMarkThatComesLateIsTheBetterSource) {
  process(7, "A=scrubbed\0"s);
  mark(7, "true");
  ExecMark late = std::move(arrived_.back());
  arrived_.clear();
  record(7, "/bin/x", 1000);
  arrived_.push_back(std::move(late));
  correlator_.advance();
  end_events();
  pass(300'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(out_.execs[0].capture, Capture::kExec);
  EXPECT_EQ(out_.execs[0].env[0].value, "true");
  EXPECT_EQ(coverage(), sums(1, 0, 0));
}

TEST_F(CorrelatorTest, AMarkCorrectsALateReadThatSawNothing) {
  process(7, "B=1\0"s);
  mark(7, "true");
  ExecMark late = std::move(arrived_.back());
  arrived_.clear();
  EXPECT_FALSE(record(7, "/bin/x", 1000));
  arrived_.push_back(std::move(late));
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
  mark(7, "v");
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
    mark(7, "v");
    ExecRecord record;
    record.id = {clock_.wall_us() / 1'000'000,
                 static_cast<uint32_t>(clock_.wall_us() / 1000 % 1000),
                 ++serial_, ""};
    record.pid = 7;
    record.exe = EncodedValue{"/bin/x", false};
    clock_.advance_us(500);
    clock_.step_wall_us(step);
    EXPECT_TRUE(correlator_.on_exec(record).keep);
    EXPECT_EQ(metrics_.get(Metric::kMissedExited), 0U);
    pass(10'000'000);
  }
}

TEST_F(CorrelatorTest, PathsInAChrootDifferAtTheirBeginning) {
  mark(7, "v", "/srv/jail/bin/x");
  record(7, "/bin/x");
  end_events();
  EXPECT_EQ(out_.execs.size(), 1U);
  EXPECT_TRUE(same_program("/bin/x", "/bin/x"));
  EXPECT_FALSE(same_program("/bin/x", "/bin/y"));
  EXPECT_FALSE(same_program("/bin/xx", "x"));
}

TEST_F(CorrelatorTest, FinishLosesNothing) {
  mark(7, "v");
  process(8, "A=w\0"s);
  record(8);
  end_events();
  correlator_.finish();
  EXPECT_EQ(out_.execs.size(), 2U);
  EXPECT_EQ(coverage(), sums(0, 1, 1));
}

TEST_F(CorrelatorTest, MemoryIsBoundedWhenAuditIsSilent) {
  for (int i = 0; i < 300'000; ++i) {
    mark(i, "");
    if (i % 1000 == 0)
      correlator_.advance();
  }
  correlator_.advance();
  EXPECT_LE(correlator_.pending(), Correlator::kMaxMarks + 1000);
  pass(6'000'000);
  pass(70'000'000);
  EXPECT_EQ(correlator_.pending(), 0U);
  EXPECT_EQ(coverage(), sums(0, 0, 300'000));
}

}  // namespace
}  // namespace preload
