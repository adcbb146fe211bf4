// SPDX-License-Identifier: Apache-2.0
// Preloading without a variable: a dynamic loader that is run as a program
// takes options that do the same.
//
//   option               stands for        glibc            musl
//   --preload LIST       LD_PRELOAD        the last counts  the last counts
//   --library-path LIST  LD_LIBRARY_PATH   the last counts  the last counts
//   --audit LIST         LD_AUDIT          all count        -
//
// musl also takes --preload=LIST and --library-path=LIST. Options begin with
// two dashes; the first argument that does not, or what follows `--` (musl),
// is the program. (glibc elf/rtld.c dl_main, musl ldso/dynlink.c __dls3; the
// test asks the machine's own loader.)
//
// What either loader could accept is taken: every occurrence, both forms; and
// unknown options are skipped, since a later loader may have them. A needless
// term costs one alert, a missed one the detection.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "preload/correlate/exec_event.h"

namespace preload {

// The event that an exec of a loader stands for: the same with origin
// kLoaderOption and, as its variables, what its options stand for, in the order
// of the command line and as far as the name is `watched`. Nothing when there
// are none.
//
// A program is a loader by its file's name (ld-linux-x86-64.so.2, ld-2.31.so,
// ld-musl-x86_64.so.1, ld64.so.1; or libc.so, which musl's loader is), or,
// under any other name, when it has no interpreter and its arguments are those
// of a loader, from the first option to the program.
[[nodiscard]] std::optional<ExecEvent> loader_event(
    const ExecEvent& event,
    const std::function<bool(std::string_view)>& watched);

}  // namespace preload
