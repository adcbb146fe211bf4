// SPDX-License-Identifier: Apache-2.0
// Which files a preload value names, as ld.so reads it.
//
//   variable         separators      names without a slash are searched
//   LD_PRELOAD       blank, colon    yes
//   LD_AUDIT         colon           yes
//   ld.so.preload    none: one name  yes
//
// $ORIGIN, $LIB and $PLATFORM, also as ${ORIGIN}, are expanded (glibc
// elf/dl-load.c; ld.so(8)). The search is LD_LIBRARY_PATH, then the usual
// system directories. Run paths of the program and ld.so.cache are not
// searched: a name may not be found, but is not resolved to an attacker's file
// instead.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace preload {

// An attacker may name thousands, an alert shows a few.
inline constexpr size_t kMaxLibraries = 16;

// The names in a value, in order, at most kMaxLibraries; none for a variable
// that does not name libraries.
[[nodiscard]] std::vector<std::string> library_names(std::string_view variable,
                                                     std::string_view value);

// The paths where ld.so would look for `name`, in its order, at most 64.
// Relative ones are relative to the working directory. `origin` is the
// program's directory, `search` the values of LD_LIBRARY_PATH, `platform` the
// machine name of uname(2).
[[nodiscard]] std::vector<std::string> library_candidates(
    std::string_view name, std::string_view origin,
    const std::vector<std::string>& search, std::string_view platform);

}  // namespace preload
