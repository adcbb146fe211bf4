// SPDX-License-Identifier: Apache-2.0
// A correlator on a fake /proc and a clock that the test sets.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "preload/correlate/correlator.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace preload {

class ExecRecorder final : public ExecHandler {
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

  // A listener takes the mark that was made last, but has not given it yet.
  ExecMark withhold() {
    ExecMark mark = std::move(arrived_.back());
    arrived_.pop_back();
    return mark;
  }
  void give(ExecMark&& mark) { arrived_.push_back(std::move(mark)); }
  // What did not fit the ring.
  void mark_truncated(int32_t pid, std::vector<EnvVar> env) {
    mark(pid, "v");
    arrived_.back().snapshot->env = std::move(env);
    arrived_.back().snapshot->truncated = true;
  }

  // What an exec with a watched variable has for its parent's program, when
  // that is `ppid`.
  std::string parent_of_child(int32_t ppid) {
    mark(7, "v");
    arrived_.back().snapshot->ppid = ppid;
    arrived_.back().snapshot->start_ticks = UINT64_MAX;
    record(7);
    end_events();
    return out_.execs.back().parent_executable;
  }

  // Audit's record of an exec of `pid` that began `ago_us` before now. Gives
  // the token when the event is wanted.
  std::optional<uint64_t> record(int32_t pid, const std::string& exe = "/bin/x",
                                 int64_t ago_us = 0) {
    AuditExec exec;
    exec.exe = exe;
    return report(pid, std::move(exec), false, ago_us);
  }
  // The same of a dynamic loader, with as many of its `argc` arguments as came.
  std::optional<uint64_t> record_loader(int32_t pid,
                                        std::vector<std::string> argv,
                                        uint64_t argc, int64_t ago_us = 0) {
    AuditExec exec;
    exec.exe = "/lib/ld-linux.so.2";
    exec.argv = std::move(argv);
    exec.argc = argc;
    return report(pid, std::move(exec), true, ago_us);
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

  std::optional<uint64_t> report(int32_t pid, AuditExec&& exec, bool loader,
                                 int64_t ago_us) {
    ExecRecord record;
    const int64_t begun_us = clock_.wall_us() - ago_us;
    record.id.sec = begun_us / 1'000'000;
    record.id.ms = static_cast<uint32_t>(begun_us / 1000 % 1000);
    record.id.serial = ++serial_;
    record.pid = pid;
    record.exe = EncodedValue{exec.exe, false};
    record.loader = loader;
    const ExecVerdict verdict = correlator_.on_exec(record);
    if (!verdict.keep)
      return std::nullopt;
    exec.id = record.id.audit_id();
    exec.pid = pid;
    exec.auid = 1000;
    events_.emplace_back(verdict.token, std::move(exec));
    return verdict.token;
  }

  TempDir dir_;
  FakeClock clock_;
  Metrics metrics_;
  Fd proc_;
  LateReader late_;
  ExecRecorder out_;
  const std::vector<std::string> names_{"A"};
  WatchList watched_{names_};
  std::vector<ExecMark> arrived_;
  std::vector<std::pair<uint64_t, AuditExec>> events_;
  uint64_t serial_ = 0;
  Correlator correlator_;
};

}  // namespace preload
