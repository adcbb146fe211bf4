// SPDX-License-Identifier: Apache-2.0
#include "preload/base/thread.h"

#include <pthread.h>

#include <csignal>
#include <exception>
#include <utility>

namespace preload {

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

}  // namespace preload
