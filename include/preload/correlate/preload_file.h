// SPDX-License-Identifier: Apache-2.0
// Entries of /etc/ld.so.preload, which ld.so loads into every dynamic program.
//
// Names separated by blanks, tabs, newlines or colons; # begins a comment to
// the end of the line. glibc (elf/rtld.c dl_main) has an error in stripping
// comments: it searches each further # from the beginning of the file, but only
// through as many bytes as remain after the comment before, so a comment after
// a long one can stay, and its words are loaded. This parser does the same, so
// that no entry can be hidden from it. (musl has no such file.)
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "preload/capture/exec_snapshot.h"

namespace preload {

inline constexpr std::string_view kPreloadFile = "/etc/ld.so.preload";
// As the variable of its terms.
inline constexpr std::string_view kPreloadFileVariable = "ld.so.preload";
// More than this is not read: 10,000 entries have room.
inline constexpr size_t kMaxPreloadFileBytes = size_t{1} << 20;

// The entries of the file's content, as glibc would load them, in order.
[[nodiscard]] std::vector<EnvVar> preload_file_entries(
    std::string_view content);

// Of the file itself; none when it is not there, or not a regular file. May
// block on its file system.
[[nodiscard]] std::vector<EnvVar> read_preload_file(const std::string& path);

}  // namespace preload
