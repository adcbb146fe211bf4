// SPDX-License-Identifier: Apache-2.0
// Signals as input of the poll loop.
#pragma once

#include <sys/types.h>

#include "preload/base/fd.h"
#include "preload/base/result.h"

namespace preload {

// Blocks the daemon's signals in the calling thread and all that it will start,
// and returns a signalfd for them. Call it before the first thread. SIGPIPE is
// ignored.
[[nodiscard]] Result<Fd> block_signals();

enum class SignalMeaning {
  kNone,    // no signal, or one that is to be ignored
  kReload,  // SIGHUP
  kStop,    // SIGTERM of the parent
  kReport,  // SIGUSR1 or SIGCONT
};

// The next signal of `fd`; does not wait. SIGTERM counts only from `parent`:
// auditd forwards its own, and no other process stops the plugin by mistake
// (end of input stops it as well).
[[nodiscard]] SignalMeaning next_signal(const Fd& fd, pid_t parent);

}  // namespace preload
