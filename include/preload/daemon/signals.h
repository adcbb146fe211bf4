// SPDX-License-Identifier: Apache-2.0
// Signals, read like data.
#pragma once

#include <sys/types.h>

#include "preload/base/fd.h"
#include "preload/base/result.h"

namespace preload {

// Blocks the daemon's signals in the calling thread and all it will start, and
// gives a signalfd for them. Call it before the first thread. SIGPIPE is
// ignored.
[[nodiscard]] Result<Fd> block_signals();

enum class SignalMeaning {
  kNone,    // no signal, or one that is to be ignored
  kReload,  // SIGHUP
  kStop,    // SIGTERM of the parent
  kReport,  // SIGUSR1 or SIGCONT
};

// The next signal of `fd`; does not wait. SIGTERM counts only from `parent`:
// auditd passes its own on, and nobody else is to stop the plugin by accident
// (end of file does).
[[nodiscard]] SignalMeaning next_signal(const Fd& fd, pid_t parent);

}  // namespace preload
