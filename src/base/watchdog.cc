// SPDX-License-Identifier: Apache-2.0
#include "preload/base/watchdog.h"

#include <chrono>
#include <utility>

#include "preload/base/thread.h"

namespace preload {

void Watchdog::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ending_.notify_all();
  if (thread_.joinable())
    thread_.join();
}

void Watchdog::watch(Stage stage) {
  const std::lock_guard lock(mutex_);
  const uint64_t beats = stage.pulse->beats();
  entries_.push_back({std::move(stage), beats});
}

void Watchdog::forget(const Pulse& pulse) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.stage.pulse == &pulse;
  });
}

void Watchdog::start(Act act) {
  act_ = std::move(act);
  thread_ = start_thread("watchdog", [this] { run(); }, {});
}

void Watchdog::run() {
  while (true) {
    std::unique_lock lock(mutex_);
    if (ending_.wait_for(lock, std::chrono::nanoseconds(timing_.watchdog),
                         [this] { return stopping_; }))
      return;
    lock.unlock();
    if (const auto stuck = check())
      act_(*stuck);
  }
}

std::optional<Watchdog::Stuck> Watchdog::check() {
  // The most that one step counts for, if this thread could not run.
  constexpr int64_t kLongestStepNs = 2 * kNanosPerSecond;
  const std::lock_guard lock(mutex_);
  const int64_t now_ns = clock_.monotonic_ns();
  const int64_t step_ns =
      checked_ns_ == 0 ? 0 : std::min(now_ns - checked_ns_, kLongestStepNs);
  checked_ns_ = now_ns;
  const int64_t bound_ns = bound_s_ * kNanosPerSecond;
  int64_t longest_ns = 0;
  std::optional<Stuck> stuck;
  for (Entry& entry : entries_) {
    const uint64_t beats = entry.stage.pulse->beats();
    const bool progress = beats != std::exchange(entry.beats, beats) ||
                          (entry.stage.idle && entry.stage.idle());
    entry.silent_ns = progress ? 0 : entry.silent_ns + step_ns;
    longest_ns = std::max(longest_ns, entry.silent_ns);
    if (bound_ns == 0 || entry.silent_ns < bound_ns)
      continue;
    const bool fatal = entry.silent_ns >= bound_ns * entry.stage.fatal_multiple;
    if (!stuck || (fatal && !stuck->fatal))
      stuck = Stuck{entry.stage.name, entry.silent_ns / kNanosPerSecond, fatal};
  }
  metrics_.set(Metric::kStageSilence,
               static_cast<uint64_t>(longest_ns / kNanosPerSecond));
  return stuck;
}

}  // namespace preload
