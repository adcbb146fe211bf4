// SPDX-License-Identifier: Apache-2.0
// An eventfd(2): ends another thread's poll(2).
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "preload/base/fd.h"

namespace preload {

// Any thread; nothing blocks.
class EventFd {
 public:
  EventFd() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  // Readable from signal() until clear().
  [[nodiscard]] int get() const { return fd_.get(); }
  // False when it could not be created.
  explicit operator bool() const { return static_cast<bool>(fd_); }
  void signal() const {
    const uint64_t one = 1;
    // Fails only when the counter is full, and then it is readable already.
    [[maybe_unused]] const ssize_t n = ::write(get(), &one, sizeof one);
  }
  void clear() const {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = ::read(get(), &count, sizeof count);
  }

 private:
  Fd fd_;
};

}  // namespace preload
