// SPDX-License-Identifier: Apache-2.0
// Makes one event of a snapshot and an audit event.
#pragma once

#include <cstddef>

#include "preload/audit/audit_event.h"
#include "preload/capture/exec_snapshot.h"
#include "preload/correlate/exec_event.h"

namespace preload {

// What the snapshot alone tells. time_us is left to the caller.
[[nodiscard]] ExecEvent event_of(const ExecSnapshot& snapshot, Capture capture);

// Adds what audit tells. Both know the program, its directory and its ids:
// audit's word goes first, since analysts look the event up there and it has
// paths as the process sees them. Of the arguments the longer list is kept.
void add_audit(ExecEvent& event, AuditExec&& exec);

// A snapshot says that there were watched variables, but has none of them.
[[nodiscard]] bool lost_all(const ExecSnapshot& snapshot);
// Takes the variables of `other` where they are more.
void adopt_env(ExecSnapshot& snapshot, ExecSnapshot&& other);

// Of a dynamic loader whose arguments did not all come: whether there may be
// options among those that are missing. They come first.
[[nodiscard]] bool may_hide_options(const ExecEvent& event);

// About how much memory it holds. Bytes.
[[nodiscard]] size_t weight(const ExecSnapshot& snapshot);

}  // namespace preload
