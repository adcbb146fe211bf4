// SPDX-License-Identifier: Apache-2.0
// What the scan of one environment costs, in memory.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "preload/capture/environ_scanner.h"

namespace preload {
namespace {

// About as many bytes as asked for, with the watched variable at the end.
std::string environment(size_t bytes) {
  std::string block;
  for (int i = 0; block.size() < bytes; ++i)
    block += "VARIABLE_" + std::to_string(i) + "=" + std::string(40, 'x') +
             std::string(1, '\0');
  return block + "LD_PRELOAD=/tmp/x.so" + std::string(1, '\0');
}

void scan_environment(benchmark::State& state) {
  const std::string block = environment(static_cast<size_t>(state.range(0)));
  const std::vector<std::string> names{"LD_PRELOAD", "LD_LIBRARY_PATH"};
  const WatchList watched(names);
  std::vector<std::byte> memory(size_t{1} << 16);
  for ([[maybe_unused]] auto _ : state) {
    SnapshotWriter out(memory);
    EnvironScanner scanner(watched, out);
    scanner.feed(block);
    scanner.finish();
    benchmark::DoNotOptimize(scanner.pairs());
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(block.size()));
}
BENCHMARK(scan_environment)
    ->ArgName("bytes")
    ->Arg(1'000)
    ->Arg(4'000)
    ->Arg(100'000);

}  // namespace
}  // namespace preload
