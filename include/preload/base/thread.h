// SPDX-License-Identifier: Apache-2.0
// How threads are started: with a name, and with one place where what they
// could not handle ends up.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace preload {

// Told, on the failing thread, what went wrong.
using ThreadFailed = std::function<void(const std::string&)>;

// `name` (15 characters at most) is what debuggers, ps -L and the last words
// show. An exception that leaves `body` goes to `failed`; without one it ends
// the process.
[[nodiscard]] std::thread start_thread(std::string name,
                                       std::function<void()> body,
                                       ThreadFailed failed);

}  // namespace preload
