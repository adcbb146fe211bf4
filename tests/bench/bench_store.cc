// SPDX-License-Identifier: Apache-2.0
// What recording an event costs, on a real file system.
#include <string>

#include <benchmark/benchmark.h>

#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

// `known`: sightings of one term, which are counted in memory. Otherwise a
// term, a sighting and an alert for each; `batch` events in a transaction.
void store(benchmark::State& state, bool known) {
  FakeClock clock;
  const TempDir dir;
  const auto store = must(Store::open(dir / "history.db", clock));
  record(*store, exec_event("/tmp/known.so"), Verdict::kNew);
  uint64_t serial = 0;
  const auto sees = [&](const std::string& value, Verdict verdict) {
    const Decision made = decision(value, verdict);
    must(store->record(shared(exec_event(value)), {&made, 1}, kMark));
  };
  for ([[maybe_unused]] auto _ : state) {
    must(store->begin());
    for (int64_t i = 0; i < state.range(0); ++i) {
      if (known)
        sees("/tmp/known.so", Verdict::kKnown);
      else
        sees("/tmp/" + std::to_string(++serial), Verdict::kNew);
    }
    must(store->commit());
  }
  must(store->flush());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(store, known, true)->ArgName("batch")->Arg(1)->Arg(64);
BENCHMARK_CAPTURE(store, alert, false)->ArgName("batch")->Arg(1)->Arg(64);

}  // namespace
}  // namespace preload
