// SPDX-License-Identifier: Apache-2.0
#include "preload/base/thread.h"

#include <pthread.h>

#include <exception>
#include <utility>

namespace preload {

std::thread start_thread(std::string name, std::function<void()> body,
                         ThreadFailed failed) {
  return std::thread([name = std::move(name), body = std::move(body),
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
}

}  // namespace preload
