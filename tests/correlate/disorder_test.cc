// SPDX-License-Identifier: Apache-2.0
// Records in disorder, from the reader to the join: shuffled, doubled, cut,
// without their ends, with serials used again. Whatever becomes of an event's
// other records, each exec that audit told of has one outcome, and each
// snapshot is told once.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "audit/records.h"
#include "preload/audit/assembler.h"
#include "preload/audit/record_reader.h"
#include "preload/correlate/correlator.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class Recorder final : public ExecHandler {
 public:
  void on_exec(ExecEventPtr event) override { seen(*event); }
  void on_missed(ExecEventPtr event) override {
    EXPECT_TRUE(event->env.empty());
    ++missed;
  }
  void on_preload_file(ExecEventPtr /*event*/) override {}

  void seen(const ExecEvent& event) {
    for (const EnvVar& variable : event.env)
      values.insert(variable.value);
  }
  std::multiset<std::string> values;
  size_t missed = 0;
};

// Between assembler and correlator: which execs audit told of.
class Census final : public AuditHandler {
 public:
  explicit Census(Correlator& correlator) : correlator_(correlator) {}
  std::optional<uint64_t> on_exec(const SyscallRecord& record) override {
    told.insert({record.id.serial, record.id.sec, record.id.ms, record.pid});
    return correlator_.on_exec(record);
  }
  Wanted wanted(uint64_t token) override { return correlator_.wanted(token); }
  void on_exec_event(uint64_t token, AuditExec&& exec) override {
    correlator_.on_exec_event(token, std::move(exec));
  }
  void on_preload_file(const SyscallRecord& /*record*/) override {}

  std::set<std::tuple<uint64_t, int64_t, uint32_t, int32_t>> told;

 private:
  Correlator& correlator_;
};

class Disorder : public testing::TestWithParam<unsigned> {
 protected:
  static constexpr int kExecs = 150;

  // Execs, most of them with a snapshot, some of these with a variable.
  void make_execs() {
    const int64_t now_us = clock_.wall_us();
    for (int i = 0; i < kExecs; ++i) {
      AuditExec exec = test::sample_exec();
      exec.id.sec = now_us / kMicrosPerSecond;
      exec.id.ms = static_cast<uint32_t>(now_us / 1000 % 1000);
      // Every so often one that was used already.
      exec.id.serial = 1 + random_() % (3 * kExecs);
      exec.pid = static_cast<int32_t>(1000 + random_() % kExecs);
      exec.argv.resize(1 + random_() % 4, std::string(random_() % 9000, 'a'));
      exec.argc = exec.argv.size();
      const test::Style style{.enriched = random_() % 2 == 0,
                              .eoe = random_() % 3 != 0};
      for (std::string& line : test::event_records(exec, style))
        lines_.push_back(std::move(line));
      if (random_() % 4 != 0)
        make_notice(exec);
    }
  }
  void make_notice(const AuditExec& exec) {
    const auto now = static_cast<uint64_t>(clock_.monotonic_ns()) + notices_;
    ExecNotice noticed{SnapshotKind::kNothing, exec.pid, now, nullptr};
    if (random_() % 3 == 0) {
      noticed.kind = SnapshotKind::kWatched;
      noticed.snapshot = std::make_unique<ExecSnapshot>();
      noticed.snapshot->pid = exec.pid;
      noticed.snapshot->exec_ns = now;
      noticed.snapshot->executable = exec.exe;
      noticed.snapshot->env = {{"A", std::to_string(notices_)}};
      expected_.insert(std::to_string(notices_));
    }
    arrived_.push_back(std::move(noticed));
    ++notices_;
  }

  void disturb() {
    const size_t reach = 1 + random_() % 40;
    for (size_t i = 0; i + 1 < lines_.size(); ++i)
      if (random_() % 4 == 0)
        std::swap(lines_[i],
                  lines_[std::min(i + random_() % reach, lines_.size() - 1)]);
    std::vector<std::string> disturbed;
    for (std::string& line : lines_) {
      const auto fate = random_() % 20;
      if (fate == 0)
        continue;
      if (fate == 1)
        line.resize(random_() % (line.size() + 1));
      if (fate == 2)
        disturbed.push_back(line);
      if (fate == 3)
        line[random_() % line.size()] = static_cast<char>(random_());
      disturbed.push_back(std::move(line));
    }
    lines_ = std::move(disturbed);
  }

  std::mt19937 random_{GetParam()};
  FakeClock clock_;
  std::vector<std::string> lines_;
  std::vector<ExecNotice> arrived_;
  uint64_t notices_ = 0;
  std::multiset<std::string> expected_;
};

TEST_P(Disorder, EachExecHasOneOutcomeAndEachSnapshotIsToldOnce) {
  make_execs();
  disturb();
  const TempDir empty_proc;
  const Fd proc = SnapshotReader::open_proc(empty_proc.path().c_str()).value();
  Metrics metrics;
  EnvironReader environs(proc, clock_);
  Recorder out;
  const WatchList watched(std::vector<std::string>{"A"});
  std::vector<LateRequest> requests;
  Correlator correlator(
      clock_, metrics, out,
      [this](std::vector<ExecNotice>& execs) {
        for (ExecNotice& exec : arrived_)
          execs.push_back(std::move(exec));
        arrived_.clear();
      },
      [&](LateRequest&& request) {
        requests.push_back(std::move(request));
        return true;
      },
      {});
  // In no hurry: results come some records later.
  const auto read_late = [&] {
    for (LateRequest& request : std::exchange(requests, {}))
      correlator.on_late_result(
          do_late_request(std::move(request), environs, watched, clock_));
  };
  Census census(correlator);
  ExecParser parser = ExecParser::create().value();
  Assembler assembler(clock_, metrics, census, parser);
  std::array<int, 2> fds{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
  const Fd read_end(fds[0]);
  Fd write_end(fds[1]);
  RecordReader reader(read_end.get(), metrics, [&](std::string_view line) {
    assembler.on_record(line);
  });
  for (const std::string& line : lines_) {
    const std::string record = line + "\n";
    ASSERT_EQ(::send(write_end.get(), record.data(), record.size(), 0),
              static_cast<ssize_t>(record.size()));
    ASSERT_TRUE(reader.drain());
    ASSERT_LE(assembler.bytes(), Assembler::kMaxBytes);
    // Together below audit_wait, so that no notice is given up before the end.
    clock_.advance_us(static_cast<int64_t>(random_() % 3'000));
    if (random_() % 4 == 0)
      read_late();
    assembler.expire();
    correlator.advance();
  }
  write_end.reset();
  ASSERT_TRUE(reader.drain());
  while (!requests.empty())
    read_late();
  assembler.flush();
  correlator.finish();

  const auto count = [&](Metric metric) { return metrics.get(metric); };
  const uint64_t missed =
      count(Metric::kMissedExited) + count(Metric::kMissedDenied) +
      count(Metric::kMissedReplaced) + count(Metric::kMissedUnreadable);
  EXPECT_EQ(
      count(Metric::kCapturedAtExec) + count(Metric::kCapturedLate) + missed,
      census.told.size());
  EXPECT_EQ(count(Metric::kUnaudited),
            notices_ - count(Metric::kCapturedAtExec));
  EXPECT_EQ(out.missed, missed);
  EXPECT_EQ(out.values, expected_);
  EXPECT_EQ(assembler.open(), 0U);
  EXPECT_EQ(assembler.bytes(), 0U);
  EXPECT_GT(census.told.size(), size_t{kExecs} / 2);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Disorder, testing::Range(1U, 41U));

}  // namespace
}  // namespace preload
