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
  void on_exec(ExecEventPtr event) override { execs.push_back(*event); }
  void on_missed(ExecEventPtr event) override { missed.push_back(*event); }
  void on_preload_file(ExecEventPtr /*event*/) override {}

  std::vector<ExecEvent> execs, missed;
};

class CorrelatorTest : public testing::Test {
 protected:
  CorrelatorTest()
      : proc_(std::move(*SnapshotReader::open_proc(dir_.path().c_str()))),
        reader_(proc_, clock_),
        correlator_(
            clock_, metrics_, out_,
            [this](std::vector<ExecNotice>& notices) {
              for (ExecNotice& notice : arrived_)
                notices.push_back(std::move(notice));
              arrived_.clear();
            },
            [this](LateRequest&& request) {
              if (queue_full_)
                return false;
              requests_.push_back(std::move(request));
              return true;
            },
            {}) {}

  // A listener reports an exec of `pid` now.
  uint64_t notice(int32_t pid, const std::string& value,
                  const std::string& exe = "/bin/x") {
    const auto now = static_cast<uint64_t>(clock_.monotonic_ns());
    ExecNotice exec{SnapshotKind::kNothing, pid, now, nullptr};
    if (!value.empty()) {
      exec.kind = SnapshotKind::kWatched;
      exec.snapshot = std::make_unique<ExecSnapshot>();
      exec.snapshot->pid = pid;
      exec.snapshot->exec_ns = now;
      exec.snapshot->executable = exe;
      exec.snapshot->env = {{"A", value}};
    }
    arrived_.push_back(std::move(exec));
    return now;
  }

  // A listener has written the latest notice, but it is not taken yet.
  ExecNotice delay_notice() {
    ExecNotice exec = std::move(arrived_.back());
    arrived_.pop_back();
    return exec;
  }
  void arrive(ExecNotice&& exec) { arrived_.push_back(std::move(exec)); }
  // What did not fit the ring.
  void notice_truncated(int32_t pid, std::vector<EnvVar> env) {
    notice(pid, "v");
    arrived_.back().snapshot->env = std::move(env);
    arrived_.back().snapshot->env_truncated = true;
  }

  // What an exec with a watched variable has for its parent's program, when
  // that is `ppid`.
  std::string parent_of_child(int32_t ppid) {
    notice(7, "v");
    arrived_.back().snapshot->ppid = ppid;
    arrived_.back().snapshot->start_ticks = UINT64_MAX;
    record(7);
    end_events();
    EXPECT_FALSE(out_.execs.empty());
    return out_.execs.back().parent_executable;
  }

  // Audit's record of an exec of `pid` that began `ago_us` before now. Gives
  // the token when the event is wanted.
  std::optional<uint64_t> record(int32_t pid, const std::string& exe = "/bin/x",
                                 int64_t ago_us = 0) {
    AuditExec exec;
    exec.exe = exe;
    return report(pid, std::move(exec), ago_us);
  }
  // The same of a dynamic loader, with as many of its `argc` arguments as came.
  std::optional<uint64_t> record_loader(int32_t pid,
                                        std::vector<std::string> argv,
                                        uint64_t argc, int64_t ago_us = 0) {
    AuditExec exec;
    exec.exe = "/lib/ld-linux.so.2";
    exec.argv = std::move(argv);
    exec.argc = argc;
    return report(pid, std::move(exec), ago_us);
  }

  // The thread "late" does what was requested. New requests wait.
  void read_late() {
    for (LateRequest& request : std::exchange(requests_, {}))
      correlator_.on_late_result(
          do_late_request(std::move(request), reader_, watched_, clock_));
  }

  // The rest of the records of all kept events comes.
  void end_events() {
    if (!reads_hang_)
      read_late();
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
    advance();
  }
  void advance() {
    correlator_.advance();
    while (!reads_hang_ && !requests_.empty())
      read_late();
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

  SyscallRecord syscall_record(int32_t pid, EncodedValue exe,
                               int64_t ago_us = 0) {
    SyscallRecord record;
    const int64_t begun_us = clock_.wall_us() - ago_us;
    record.id = {begun_us / 1'000'000,
                 static_cast<uint32_t>(begun_us / 1000 % 1000), ++serial_, ""};
    record.pid = pid;
    record.exe = exe;
    return record;
  }
  std::optional<uint64_t> report(int32_t pid, AuditExec&& exec,
                                 int64_t ago_us) {
    const SyscallRecord record =
        syscall_record(pid, EncodedValue{exec.exe, false}, ago_us);
    const auto token = correlator_.on_exec(record);
    if (!reads_hang_)
      read_late();
    if (!token || correlator_.wanted(*token) == AuditHandler::Wanted::kNo)
      return std::nullopt;
    exec.id = record.id.audit_id();
    exec.pid = pid;
    exec.auid = 1000;
    events_.emplace_back(*token, std::move(exec));
    return token;
  }

  TempDir dir_;
  FakeClock clock_;
  Metrics metrics_;
  Fd proc_;
  EnvironReader reader_;
  ExecRecorder out_;
  const std::vector<std::string> names_{"A"};
  WatchList watched_{names_};
  std::vector<ExecNotice> arrived_;
  std::vector<LateRequest> requests_;
  bool queue_full_ = false;
  bool reads_hang_ = false;
  std::vector<std::pair<uint64_t, AuditExec>> events_;
  uint64_t serial_ = 0;
  Correlator correlator_;
};

}  // namespace preload
