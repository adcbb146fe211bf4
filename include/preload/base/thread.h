// SPDX-License-Identifier: Apache-2.0
// Starts threads with a name and a handler of their uncaught exceptions.
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

}  // namespace preload
