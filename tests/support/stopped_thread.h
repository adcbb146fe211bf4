// SPDX-License-Identifier: Apache-2.0
// Stops one thread of a child process, as a hanging file system would: within a
// system call it makes no progress, and its process goes on.
#pragma once

#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <string>

#include "support/process.h"

namespace preload {

class StoppedThread {
 public:
  explicit StoppedThread(pid_t thread) : thread_(thread) {
    // Anywhere else it could hold the allocator's lock, and stop all others.
    good_ = eventually(10, [&] { return stop_in_system_call(); });
  }
  StoppedThread(const StoppedThread&) = delete;
  StoppedThread& operator=(const StoppedThread&) = delete;
  ~StoppedThread() {
    // One that has ended has to be waited for, or its process never ends.
    if (good_ && ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr) != 0)
      wait_until_ended(thread_);
  }

  [[nodiscard]] bool good() const { return good_; }
  // The status with which the process that the thread belongs to ends.
  int wait_for_end(pid_t process) {
    if (thread_ != process)
      wait_until_ended(thread_);
    good_ = false;
    return wait_until_ended(process);
  }

 private:
  bool stop_in_system_call() const {
    if (::ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) != 0)
      return false;
    int status = 0;
    if (::ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) == 0 &&
        ::waitpid(thread_, &status, __WALL) == thread_ && WIFSTOPPED(status) &&
        !content_of(fmt::format("/proc/{}/syscall", thread_)).starts_with("-1"))
      return true;
    ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr);
    return false;
  }
  static int wait_until_ended(pid_t id) {
    int status = 0;
    while (::waitpid(id, &status, __WALL) == id && WIFSTOPPED(status))
      ::ptrace(PTRACE_CONT, id, nullptr, nullptr);
    return status;
  }

  pid_t thread_;
  bool good_ = false;
};

}  // namespace preload
