// SPDX-License-Identifier: Apache-2.0
// What an alert says beyond the event itself: the files that its value names,
// and which process introduced it.
#pragma once

#include <chrono>

#include "preload/correlate/exec_event.h"
#include "preload/detect/alert.h"
#include "preload/detect/term.h"

namespace preload {

// Files up to this size are digested.
inline constexpr uint64_t kMaxDigestBytes = uint64_t{64} << 20;

// The facts about the term's value. Files are looked up in the root and working
// directory of the event's process; when it has ended, in those of its parent;
// and else in the plugin's own, unless it ran in a container. Only regular
// files are opened.
//
// `exists` is no only when it was looked up in the root and working directory
// of the process itself and the directory has no such name; any other failure
// leaves it unknown.
//
// `mapped` is as of the look-up: a process that has just begun may map the file
// later. For `writable_by_others`, others are all but root and the process's
// user: a group other than root's, and anybody in a directory like /tmp. Of a
// library that was not found it says whether others could create it.
//
// May block on a dead file system, so it belongs on a thread of its own. Checks
// `deadline` between steps and returns what it has when it has passed.
[[nodiscard]] AlertFacts find_facts(
    const ExecEvent& event, const Term& term,
    std::chrono::steady_clock::time_point deadline);

}  // namespace preload
