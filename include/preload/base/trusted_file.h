// SPDX-License-Identifier: Apache-2.0
// Files that decide what a root daemon does, and that only root may write.
#pragma once

#include <string>

#include "preload/base/fd.h"
#include "preload/base/result.h"

namespace preload {

// Opens `path` for reading without following a link at its end. It must be a
// regular file of root's or of the user we run as, and not writable by group
// or others; the error says which rule is broken and how to mend it.
[[nodiscard]] Result<Fd> open_trusted(const std::string& path);

// All of the file behind `fd`; refuses more than `limit` bytes.
[[nodiscard]] Result<std::string> read_all(const Fd& fd, size_t limit,
                                           const std::string& name);

// Replaces `path` by a file of `content`, so that a reader finds the old or
// the new whole: written aside and renamed, with `mode` whatever the umask.
[[nodiscard]] Status replace_file(const std::string& path,
                                  std::string_view content, unsigned mode);

}  // namespace preload
