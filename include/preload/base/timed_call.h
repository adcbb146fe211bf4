// SPDX-License-Identifier: Apache-2.0
// Runs calls that may hang on a thread of their own, with a time limit, so that
// the caller never hangs.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace preload {

// Runs jobs one at a time on a worker thread. A worker that exceeds the limit
// is abandoned, and the next job gets a new one. For use by one thread.
//
// Why reading /proc/PID needs this: environ, stat, auxv, exe, cwd and root wait
// for the end of an exec, the exec waits for the close-on-exec files that it
// closes, and those may be on a FUSE mount that does not answer. environ and
// cmdline wait for the mmap lock of the process in the same way. Only a fatal
// signal ends such a wait.
class TimedCall {
 public:
  // Limit of one job. Enough for a machine that swaps.
  static constexpr std::chrono::milliseconds kPatience{250};
  // Abandoned workers, some 100 KiB of memory each. At this number jobs are
  // refused until one of them returns.
  static constexpr size_t kMaxLost = 32;

  // `what` names the jobs in log lines: "reading a process in /proc".
  explicit TimedCall(std::string what,
                     std::chrono::milliseconds patience = kPatience);
  TimedCall(const TimedCall&) = delete;
  TimedCall& operator=(const TimedCall&) = delete;
  // Does not wait for a job that is still running.
  ~TimedCall();

  // True when `job` has run to its end. False: it was refused, threw, or is
  // still running and may end much later, so it must own everything it uses.
  bool run(std::function<void()> job);

  // Workers that are abandoned and still running.
  [[nodiscard]] size_t lost() const { return *lost_; }

 private:
  struct Worker;
  bool ensure_worker();

  std::string what_;
  std::chrono::milliseconds patience_;
  std::shared_ptr<Worker> worker_;  // idle between calls
  std::shared_ptr<std::atomic<size_t>> lost_;
};

}  // namespace preload
