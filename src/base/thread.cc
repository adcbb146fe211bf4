// SPDX-License-Identifier: Apache-2.0
#include "preload/base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <csignal>
#include <cstdint>
#include <exception>
#include <utility>

namespace preload {
namespace {

// struct sched_attr of sched_setattr(2), its first version. The kernel's header
// cannot be used together with libc's.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = SCHED_OTHER;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;  // of SCHED_OTHER: the time slice, ns
  uint64_t deadline = 0;
  uint64_t period = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

}  // namespace

std::thread start_thread(std::string name, std::function<void()> body,
                         ThreadFailed failed) {
  // Signals of the process are for the main thread, also while an abandoned
  // call of a test still runs. Those that a thread causes itself are not
  // blocked.
  sigset_t blocked{};
  sigset_t before{};
  ::sigfillset(&blocked);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS})
    ::sigdelset(&blocked, own);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  std::thread thread([name = std::move(name), body = std::move(body),
                      failed = std::move(failed)] {
    ::pthread_setname_np(::pthread_self(), name.c_str());
    try {
      body();
    } catch (const std::exception& error) {
      if (!failed)
        throw;
      failed("the " + name + " thread failed: " + error.what());
    }
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

void request_short_time_slices() {
  constexpr uint64_t kSliceNs = 500'000;
  SchedulingAttributes attributes;
  attributes.nice = ::getpriority(PRIO_PROCESS, 0);  // stays
  attributes.runtime = kSliceNs;
  if (::sched_getscheduler(0) == SCHED_OTHER)
    ::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace preload
