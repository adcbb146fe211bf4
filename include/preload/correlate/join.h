// SPDX-License-Identifier: Apache-2.0
// How an exec's parts are joined into its event.
#pragma once

#include <cstddef>

#include "preload/audit/exec_parser.h"
#include "preload/capture/exec_snapshot.h"
#include "preload/correlate/exec_event.h"

namespace preload {

// Adds what audit reported. Where the snapshot has the same field, audit's
// value is preferred: analysts look the event up there, and it has paths as the
// process sees them. Of the arguments the longer list is kept.
void add_audit(ExecEvent& event, AuditExec&& exec);

// There were watched variables, but the snapshot has none of them.
[[nodiscard]] bool lost_all(const ExecSnapshot& snapshot);
// Takes the variables of `other` if it has more of them.
void adopt_env(ExecSnapshot& snapshot, ExecSnapshot&& other);

// Of a dynamic loader whose arguments did not all come: whether there may be
// options among those that are missing. They come first.
[[nodiscard]] bool may_hide_options(const ExecEvent& event);

// About how much memory it holds. Bytes.
[[nodiscard]] size_t weight(const ExecSnapshot& snapshot);

}  // namespace preload
