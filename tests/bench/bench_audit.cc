// SPDX-License-Identifier: Apache-2.0
// What the audit layer costs per record and per exec event.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "../audit/records.h"
#include "preload/audit/assembler.h"
#include "preload/audit/exec_parser.h"
#include "preload/audit/record_reader.h"
#include "preload/audit/record_scan.h"
#include "preload/base/fd.h"
#include "support/fake_clock.h"

namespace preload {
namespace {

class Handler final : public AuditHandler {
 public:
  explicit Handler(bool keep) : keep_(keep) {}
  std::optional<uint64_t> on_exec(const SyscallRecord& record) override {
    benchmark::DoNotOptimize(record.pid);
    return keep_ ? std::optional<uint64_t>(1) : std::nullopt;
  }
  Wanted wanted(uint64_t /*token*/) override { return Wanted::kYes; }
  void on_exec_event(uint64_t /*token*/, AuditExec&& exec) override {
    benchmark::DoNotOptimize(exec);
  }
  void on_preload_file(const SyscallRecord& /*record*/) override {}

 private:
  bool keep_;
};

test::Style style(const benchmark::State& state) {
  return {.enriched = state.range(0) != 0};
}

void scan_head(benchmark::State& state) {
  const std::string line = test::event_records(test::sample_exec())[3];
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(scan_record(line));
}
BENCHMARK(scan_head);

void scan_syscall_record(benchmark::State& state) {
  const std::string line =
      test::syscall_record(test::sample_exec(), style(state));
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(scan_syscall(scan_record(line)->body));
}
BENCHMARK(scan_syscall_record)->ArgName("enriched")->Arg(0)->Arg(1);

void event(benchmark::State& state, bool keep) {
  FakeClock clock;
  Metrics metrics;
  Handler handler(keep);
  ExecParser parser = ExecParser::create().value();
  Assembler assembler(clock, metrics, handler, parser);
  const std::vector<std::string> lines =
      test::event_records(test::sample_exec(), style(state));
  for ([[maybe_unused]] auto _ : state) {
    for (const std::string& line : lines)
      assembler.on_record(line);
  }
}
BENCHMARK_CAPTURE(event, dropped, false)->ArgName("enriched")->Arg(0)->Arg(1);
BENCHMARK_CAPTURE(event, kept, true)->ArgName("enriched")->Arg(0)->Arg(1);

// The whole way of dropped events: read from memory, split, scanned.
void stream_dropped(benchmark::State& state) {
  constexpr size_t kEvents = 2'000;
  std::string text;
  for (uint64_t serial = 1; serial <= kEvents; ++serial)
    text += test::joined(
        test::event_records(test::sample_exec(serial), style(state)));
  const Fd file(::memfd_create("records", MFD_CLOEXEC));
  if (::write(file.get(), text.data(), text.size()) < 0)
    state.SkipWithError("cannot write");
  FakeClock clock;
  Metrics metrics;
  Handler handler(false);
  ExecParser parser = ExecParser::create().value();
  Assembler assembler(clock, metrics, handler, parser);
  for ([[maybe_unused]] auto _ : state) {
    ::lseek(file.get(), 0, SEEK_SET);
    RecordReader reader(file.get(), metrics, [&](std::string_view line) {
      assembler.on_record(line);
    });
    while (reader.drain() == ReadState::kOpen) {
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kEvents));
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(text.size()));
}
BENCHMARK(stream_dropped)->ArgName("enriched")->Arg(0)->Arg(1);

}  // namespace
}  // namespace preload
