// SPDX-License-Identifier: Apache-2.0
// Starts threads with a name and a handler of their uncaught exceptions, and
// asks for their scheduling.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace preload {

// Called on the failing thread with the error.
using ThreadFailed = std::function<void(const std::string&)>;

// `name` (15 characters at most) is shown by debuggers, ps -L and the emergency
// log. An exception that leaves `body` goes to `failed`; without one it ends
// the process.
[[nodiscard]] std::thread start_thread(std::string name,
                                       std::function<void()> body,
                                       ThreadFailed failed);

// Asks the scheduler for short time slices for the calling thread and those
// that it starts. Beside programs that never sleep, a thread then runs within
// some 0.1 ms of its wake-up instead of after their slice of some 3 ms, which
// counts once for each stage that an alert passes. It does not get more of the
// CPU. Since Linux 6.12 (sched_setattr(2)); without effect before.
void request_short_time_slices();

}  // namespace preload
