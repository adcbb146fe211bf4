// SPDX-License-Identifier: Apache-2.0
// The plugin with short intervals, for tests that wait for one of them.
#include "preload/daemon/plugin.h"

namespace {

constexpr preload::Timing kFast{
    .coverage = 200 * preload::kNanosPerMilli,
    .report = 500 * preload::kNanosPerMilli,
    .flush = 200 * preload::kNanosPerMilli,
    .busy = preload::kNanosPerSecond,
    .store_retry = 200 * preload::kNanosPerMilli,
    .sink_retry = 100 * preload::kNanosPerMilli,
    .sink_retry_most = preload::kNanosPerSecond,
    .preload_file = 200 * preload::kNanosPerMilli,
    .watchdog = 100 * preload::kNanosPerMilli,
    .watchdog_least_s = 2,
};

}  // namespace

int main(int argc, char** argv) {
  return preload::plugin_main({argv, static_cast<std::size_t>(argc)}, kFast);
}
