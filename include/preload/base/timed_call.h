// SPDX-License-Identifier: Apache-2.0
// Calls into the kernel that may hang, made so that the caller does not.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace preload {

// Runs jobs one at a time on a thread that may be lost: one that is not back in
// time is left behind, and the next job gets another thread. One caller.
//
// A process can have others wait for as long as it likes when they read its
// /proc/PID: environ, stat, auxv, exe, cwd and root wait for an exec to end,
// which waits for the files that it closes (close-on-exec), which may be on a
// FUSE mount that does not answer; environ and cmdline wait for its mmap lock
// likewise. No signal but a fatal one ends that.
class TimedCall {
 public:
  // For one job, on a machine that swaps.
  static constexpr std::chrono::milliseconds kPatience{250};
  // In sum, for jobs that are not back at once, when others wait for the
  // caller: who makes processes that hang, or that are only slow, one after the
  // other, does not hold it up for long. In each span, after as much as one
  // hang takes there is little patience, and after kMaxWaited none: jobs are
  // refused.
  static constexpr std::chrono::seconds kSpan{10};
  static constexpr std::chrono::milliseconds kAtOnce{3};
  static constexpr std::chrono::milliseconds kLittlePatience{10};
  static constexpr std::chrono::milliseconds kMaxWaited{1000};
  // Some 100 KiB each. With so many lost, jobs are refused until one is back.
  static constexpr size_t kMaxLost = 32;

  // A caller for whom nobody waits needs no bound of the sum.
  enum class Sum : uint8_t { kBounded, kUnbounded };

  // `what` it does, for the log: "reading processes".
  explicit TimedCall(std::string what, Sum sum = Sum::kBounded);
  TimedCall(const TimedCall&) = delete;
  TimedCall& operator=(const TimedCall&) = delete;
  // Waits for nothing.
  ~TimedCall();

  // True when `job` has run. Otherwise it has not, or is still at it and will
  // perhaps end much later: it must own all that it touches.
  bool run(std::function<void()> job);

  // Threads that hang at the moment.
  [[nodiscard]] size_t lost() const { return *lost_; }

 private:
  struct Worker;
  bool ensure_worker();
  bool wait_for(Worker& worker, std::unique_lock<std::mutex>& lock);
  void lose_worker();

  std::string what_;
  Sum sum_;
  std::shared_ptr<Worker> worker_;  // idle between calls
  std::shared_ptr<std::atomic<size_t>> lost_;
  std::chrono::steady_clock::time_point span_end_;
  std::chrono::steady_clock::duration waited_{};  // in this span
};

}  // namespace preload
