// SPDX-License-Identifier: Apache-2.0
// What the decision costs: digest, exceptions, a look into a history that is
// in memory.
#include <string>

#include <benchmark/benchmark.h>

#include "preload/base/config.h"
#include "preload/detect/new_terms.h"
#include "support/events.h"
#include "support/fake_history.h"

namespace preload {
namespace {

Rule rule_with_exceptions(int64_t count) {
  Config config;
  for (int64_t i = 0; i < count; ++i)
    config.exceptions.push_back({1, "process.env_vars:LD_LIBRARY_PATH=/opt/" +
                                        std::to_string(i) +
                                        "/* and not user.id:0"});
  return make_rule(config, "", 0).value();
}

void decide_known(benchmark::State& state) {
  NewTerms rule(rule_with_exceptions(state.range(0)));
  FakeHistory history;
  const ExecEvent event = exec_event("/usr/lib/libjemalloc.so.2");
  history.record(event, rule.decide(event, event.time_us, history).value());
  for ([[maybe_unused]] auto _ : state)
    benchmark::DoNotOptimize(rule.decide(event, event.time_us, history));
}
BENCHMARK(decide_known)->ArgName("exceptions")->Arg(0)->Arg(10)->Arg(1'000);

void decide_new(benchmark::State& state) {
  NewTerms rule(rule_with_exceptions(0));
  FakeHistory history;
  ExecEvent event = exec_event("");
  uint64_t serial = 0;
  for ([[maybe_unused]] auto _ : state) {
    event.env[0].value = "/tmp/" + std::to_string(++serial) + ".so";
    benchmark::DoNotOptimize(rule.decide(event, event.time_us, history));
  }
}
BENCHMARK(decide_new);

}  // namespace
}  // namespace preload
