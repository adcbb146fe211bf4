// SPDX-License-Identifier: Apache-2.0
// Files that control a privileged daemon or hold its data: only root and the
// daemon itself may write them.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "preload/base/fd.h"
#include "preload/base/result.h"

namespace preload {

// What lets others change a file, and the command that fixes it.
struct Flaw {
  std::string what;
  std::string remedy;
};

// The one rule for all files and directories: one of `owners` owns it, and
// neither its group nor others may write it.
[[nodiscard]] std::optional<Flaw> find_flaw(const std::string& path,
                                            const struct stat& status,
                                            std::span<const uid_t> owners);

// Opens `path` without following a link at its end and without blocking. It
// must be a regular file of root or of the effective user, and not writable by
// group or others; the error says which of these is not so, and the remedy.
// `flags` and `mode` are those of open(2).
[[nodiscard]] Result<Fd> open_trusted(const std::string& path,
                                      int flags = O_RDONLY, mode_t mode = 0);

// The same rule for a directory of trusted files; it may be a link.
[[nodiscard]] Status check_trusted_directory(const std::string& path);

// Of an absolute path; "." of a name alone.
[[nodiscard]] std::string directory_of(const std::string& path);

// At most `limit` bytes of the file behind `fd`; nothing when unreadable.
[[nodiscard]] std::optional<std::string> read_up_to(const Fd& fd, size_t limit);
// All of the file behind `fd`; refuses more than `limit` bytes.
[[nodiscard]] Result<std::string> read_all(const Fd& fd, size_t limit,
                                           const std::string& name);

// Replaces `path` by a file of `content`, so that a reader finds all of the old
// or all of the new: written under another name and renamed, with `mode`
// whatever the umask.
[[nodiscard]] Status replace_file(const std::string& path,
                                  std::string_view content, unsigned mode);

}  // namespace preload
