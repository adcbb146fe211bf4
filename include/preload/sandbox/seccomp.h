// SPDX-License-Identifier: Apache-2.0
// The system calls that are left to us, in the three phases of a life:
//
//   start      all of them: nothing that others write has been read yet
//   running    confine_process(): files, local sockets, threads, clocks; no
//              program, no other process, no network, no new code in memory
//   listening  confine_listener(), in addition: reading under /proc
//
// What is not allowed fails with ENOSYS, so that a C library which tries a
// newer call first falls back to an older one. What only an intruder would call
// ends the process; auditd starts it again, and audit has a SECCOMP record.
#pragma once

#include <string_view>

#include "preload/base/result.h"

namespace preload {

// All threads of the process. Needs no_new_privs. Built with a sanitizer, which
// has ways of its own, it does nothing.
[[nodiscard]] Status confine_process(bool audit_message);

// The calling thread, after confine_process().
[[nodiscard]] Status confine_listener();

// For the state file: "system calls filtered", or why not.
[[nodiscard]] std::string_view confinement_text();

}  // namespace preload
