// SPDX-License-Identifier: Apache-2.0
// What an alert should tell an analyst beyond the event itself: the files that
// its value names, and who introduced it.
#pragma once

#include <chrono>

#include "preload/correlate/exec_event.h"
#include "preload/detect/alert.h"
#include "preload/detect/term.h"

namespace preload {

// Files up to this size are digested.
inline constexpr uint64_t kMaxDigestBytes = uint64_t{64} << 20;

// The facts about the term's value. Files are looked up in the root and
// working directory of the event's process; when it has gone, in those of its
// parent; and else in our own, unless it ran in a container. Only regular
// files are opened.
//
// `exists` is no only when it was looked up in the root and working directory
// of the process itself and the directory has no such name; any other failure
// leaves it unknown.
//
// `mapped` is as of now: a process that has just begun may yet map a file.
// `writable_by_others` takes root and the process's user for no others; a
// group other than root's is others, and so is anybody in a directory like
// /tmp. For a library that does not exist it tells whether others could put
// it there.
//
// May block on a dead file system, so it belongs on a thread of its own; looks
// at `deadline` between steps and returns what it has when it has passed.
[[nodiscard]] AlertFacts inspect(
    const ExecEvent& event, const Term& term,
    std::chrono::steady_clock::time_point deadline);

}  // namespace preload
