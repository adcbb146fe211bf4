// SPDX-License-Identifier: Apache-2.0
// The system calls that are allowed, in three phases:
//
//   start      all: no input of other processes has been read yet
//   running    confine_process(): files, local sockets, threads, clocks; no
//              program, no other process, no network, no new code in memory
//   listening  confine_listener(), in addition: reading under /proc
//
// Other calls fail with ENOSYS, so that a C library which tries a newer call
// first falls back to an older one. Calls that only injected code would make
// end the process; auditd starts it again, and audit has a SECCOMP record.
#pragma once

#include <string_view>

#include "preload/base/result.h"

namespace preload {

// All threads of the process. Needs no_new_privs. No effect in a build with a
// sanitizer, whose runtime makes other calls.
[[nodiscard]] Status confine_process(bool audit_message);

// The calling thread, after confine_process().
[[nodiscard]] Status confine_listener();

// For the state file: "system calls filtered", or why not.
[[nodiscard]] std::string_view confinement_text();

}  // namespace preload
