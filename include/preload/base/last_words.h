// SPDX-License-Identifier: Apache-2.0
// What the process says when it can no longer go through its log: from a signal
// handler, or while other threads hang.
#pragma once

#include <string>
#include <string_view>

namespace preload {

// Where last words go besides standard error.
void set_last_words_socket(const std::string& syslog_socket);

// From now on a fatal signal (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS)
// says which it was and in which thread before it ends the process.
void tell_fatal_signals();

// One line, cut at 500 bytes, to standard error and syslog (facility daemon,
// severity err). Never blocks, allocates nothing, safe in a signal handler.
void last_words(std::string_view text) noexcept;

}  // namespace preload
