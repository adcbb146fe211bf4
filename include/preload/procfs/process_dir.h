// SPDX-License-Identifier: Apache-2.0
// Reads a process and looks up its files from outside. Every call may block on
// a file system, so it belongs on a thread that may be abandoned.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "preload/base/fd.h"

namespace preload {

// /proc/PID, held open. What is read through it belongs to that process, also
// when the pid is used again; it fails when the process has ended.
class ProcessDir {
 public:
  static std::optional<ProcessDir> open(int32_t pid);

  [[nodiscard]] int32_t pid() const { return pid_; }
  [[nodiscard]] int32_t ppid() const { return ppid_; }
  // Field 22 of stat.
  [[nodiscard]] uint64_t start_ticks() const { return start_ticks_; }

  [[nodiscard]] Fd open_file(const char* name, int flags) const;
  // Where a link such as exe, cwd or root points; empty when unreadable.
  [[nodiscard]] std::string link(const char* name) const;
  // At most `limit` bytes of a file; nothing when unreadable.
  [[nodiscard]] std::optional<std::string> read(const char* name,
                                                size_t limit) const;

 private:
  ProcessDir() = default;

  Fd dir_;
  int32_t pid_ = 0;
  int32_t ppid_ = 0;
  uint64_t start_ticks_ = 0;
};

// Resolves names as a process would: in its root directory, which no link can
// leave, and relative names from its working directory.
class RootView {
 public:
  // Of a running process. Nothing when it has ended or denies access.
  static std::optional<RootView> of_process(const ProcessDir& process);
  // Our own, with `cwd` for relative names.
  static std::optional<RootView> of_host(const std::string& cwd);

  // An O_PATH descriptor of the file that `path` names. The file itself is not
  // opened, which a device or FIFO would notice.
  [[nodiscard]] Fd open(const std::string& path) const;
  // True when `path`, which open() did not open, certainly names no file: some
  // directory on the way lacks the next name. False after any other error, for
  // a link to nowhere, and below /proc, where names mean the one who asks.
  [[nodiscard]] bool absent(const std::string& path) const;
  // The path in this root of a file from open(); empty when it has none.
  [[nodiscard]] std::string path_of(const Fd& file) const;
  // `path`, absolute in this root, links as they are.
  [[nodiscard]] std::string absolute(const std::string& path) const;

  void set_cwd(const std::string& cwd) { cwd_ = cwd; }

 private:
  RootView(Fd root, std::string prefix, std::string cwd)
      : root_(std::move(root)),
        prefix_(std::move(prefix)),
        cwd_(std::move(cwd)) {}

  // A path as /proc shows it to us, within the root; empty when outside.
  [[nodiscard]] std::string inside(const std::string& path) const;

  Fd root_;
  std::string prefix_;  // of the root as /proc shows it; empty for /
  std::string cwd_;     // in the root
};

// The name under which the calling thread can open a descriptor of its own
// again. Not /proc/self: that is the table of the main thread, and a thread may
// have one of its own (close_range(2), CLOSE_RANGE_UNSHARE).
[[nodiscard]] std::string own_fd_path(const Fd& fd);
// The path of a descriptor's file as /proc shows it.
[[nodiscard]] std::string path_of_fd(const Fd& fd);

}  // namespace preload
