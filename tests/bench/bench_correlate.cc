// SPDX-License-Identifier: Apache-2.0
// What joining an audited exec with its notice costs.
#include <benchmark/benchmark.h>

#include "preload/correlate/correlator.h"
#include "support/fake_clock.h"

namespace preload {
namespace {

class Nobody final : public ExecHandler {
 public:
  void on_exec(ExecEventPtr event) override { benchmark::DoNotOptimize(event); }
  void on_missed(ExecEventPtr /*event*/) override {}
  void on_preload_file(ExecEventPtr /*event*/) override {}
};

std::unique_ptr<ExecSnapshot> snapshot_of(const ExecNotice& exec) {
  auto snapshot = std::make_unique<ExecSnapshot>();
  snapshot->pid = exec.pid;
  snapshot->exec_ns = exec.exec_ns;
  snapshot->parent_executable = "/usr/bin/bash";
  snapshot->env = {{"LD_PRELOAD", "/tmp/x.so"}};
  snapshot->executable = "/usr/bin/id";
  return snapshot;
}

// With `waiting` notices of other execs that audit has not reported yet.
void join(benchmark::State& state, bool watched_value) {
  FakeClock clock;
  Metrics metrics;
  Nobody out;
  std::vector<ExecNotice> execs;
  Correlator correlator(
      clock, metrics, out,
      [&](std::vector<ExecNotice>& inbox) {
        for (ExecNotice& exec : execs)
          inbox.push_back(std::move(exec));
        execs.clear();
      },
      [](LateRequest&& /*request*/) { return false; }, {});
  const auto add_notice = [&](int32_t pid) {
    ExecNotice& exec = execs.emplace_back();
    exec.pid = pid;
    exec.kind = SnapshotKind::kNothing;
    exec.exec_ns = static_cast<uint64_t>(clock.monotonic_ns());
    if (watched_value) {
      exec.kind = SnapshotKind::kWatched;
      exec.snapshot = snapshot_of(exec);
    }
  };
  for (int32_t i = 0; i < state.range(0); ++i)
    add_notice(100'000 + i);
  uint64_t serial = 0;
  for ([[maybe_unused]] auto _ : state) {
    const auto pid = static_cast<int32_t>(1 + serial % 30'000);
    add_notice(pid);
    SyscallRecord record;
    record.id.sec = clock.wall_us() / kMicrosPerSecond;
    record.id.ms =
        static_cast<uint32_t>(clock.wall_us() % kMicrosPerSecond / 1000);
    record.id.serial = ++serial;
    record.pid = pid;
    record.exe = EncodedValue{"/usr/bin/id", false};
    const auto token = correlator.on_exec(record);
    if (token.has_value() != watched_value)
      state.SkipWithError("not joined");
    if (token) {
      AuditExec exec;
      exec.id = record.id.audit_id();
      exec.pid = pid;
      correlator.on_exec_event(*token, std::move(exec));
    }
    benchmark::DoNotOptimize(correlator.take_coverage());
  }
}
BENCHMARK_CAPTURE(join, nothing, false)
    ->ArgName("waiting")
    ->Arg(0)
    ->Arg(10'000);
BENCHMARK_CAPTURE(join, watched, true)->ArgName("waiting")->Arg(0)->Arg(10'000);

}  // namespace
}  // namespace preload
