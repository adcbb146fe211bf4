// SPDX-License-Identifier: Apache-2.0
// Stops one thread of a child process, as a hanging file system would: it makes
// no progress, whatever it was doing, and its process goes on.
#pragma once

#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <cerrno>

namespace preload {

class StoppedThread {
 public:
  explicit StoppedThread(pid_t thread) : thread_(thread) {
    good_ = ::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) == 0 &&
            ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) == 0 &&
            ::waitpid(thread, nullptr, __WALL) == thread;
  }
  StoppedThread(const StoppedThread&) = delete;
  StoppedThread& operator=(const StoppedThread&) = delete;
  ~StoppedThread() {
    if (good_)
      ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr);
  }

  [[nodiscard]] bool good() const { return good_; }
  // The status with which the process that `thread` belongs to ends; its
  // threads have to be waited for one by one (0: this one alone).
  int wait_for_end(pid_t process) {
    int status = 0;
    if (thread_ != process)
      ::waitpid(thread_, &status, __WALL);
    while (process != 0 && ::waitpid(process, &status, __WALL) == process &&
           WIFSTOPPED(status)) {
    }
    good_ = false;
    return status;
  }

 private:
  pid_t thread_;
  bool good_ = false;
};

}  // namespace preload
