// SPDX-License-Identifier: Apache-2.0
// What joining an audited exec with its mark costs.
#include <benchmark/benchmark.h>

#include "preload/capture/watch_list.h"
#include "preload/correlate/correlator.h"
#include "support/fake_clock.h"

namespace preload {
namespace {

class Nobody final : public ExecHandler {
 public:
  void on_exec(ExecEvent&& event) override { benchmark::DoNotOptimize(event); }
  void on_audited_after_all(ExecEvent&& /*event*/) override {}
  void on_missed(ExecEvent&& /*event*/) override {}
  void on_preload_file(ExecEvent&& /*event*/) override {}
};

std::unique_ptr<ExecSnapshot> snapshot_of(const ExecMark& mark) {
  auto snapshot = std::make_unique<ExecSnapshot>();
  snapshot->pid = mark.pid;
  snapshot->exec_ns = mark.exec_ns;
  snapshot->env = {{"LD_PRELOAD", "/tmp/x.so"}};
  snapshot->executable = "/usr/bin/id";
  return snapshot;
}

// With `waiting` marks of other execs that audit has not reported yet.
void join(benchmark::State& state, bool watched_value) {
  FakeClock clock;
  Metrics metrics;
  Nobody out;
  const std::vector<std::string> names{"LD_PRELOAD"};
  const WatchList watched(names);
  const Fd proc = ProcReader::open_proc().value();
  LateReader late(proc, clock);
  std::vector<ExecMark> marks;
  Correlator correlator(clock, metrics, late, out,
                        [&](std::vector<ExecMark>& inbox) {
                          for (ExecMark& mark : marks)
                            inbox.push_back(std::move(mark));
                          marks.clear();
                        },
                        &watched, {});
  const auto add_mark = [&](int32_t pid) {
    ExecMark& mark = marks.emplace_back();
    mark.pid = pid;
    mark.exec_ns = static_cast<uint64_t>(clock.monotonic_ns());
    if (watched_value) {
      mark.kind = SnapshotKind::kWatched;
      mark.snapshot = snapshot_of(mark);
    }
  };
  for (int32_t i = 0; i < state.range(0); ++i)
    add_mark(100'000 + i);
  uint64_t serial = 0;
  for ([[maybe_unused]] auto _ : state) {
    const auto pid = static_cast<int32_t>(1 + serial % 30'000);
    add_mark(pid);
    ExecRecord record;
    record.id.sec = clock.wall_us() / kMicrosPerSecond;
    record.id.ms =
        static_cast<uint32_t>(clock.wall_us() % kMicrosPerSecond / 1000);
    record.id.serial = ++serial;
    record.pid = pid;
    record.exe = EncodedValue{"/usr/bin/id", false};
    const ExecVerdict verdict = correlator.on_exec(record);
    if (verdict.keep != watched_value)
      state.SkipWithError("not joined");
    if (verdict.keep) {
      AuditExec exec;
      exec.id = record.id.audit_id();
      exec.pid = pid;
      correlator.on_exec_event(verdict.token, std::move(exec));
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
