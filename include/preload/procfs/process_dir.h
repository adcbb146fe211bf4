// SPDX-License-Identifier: Apache-2.0
// A process and its files from outside. Every call may block on somebody's
// file system: for the inspector's thread only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "preload/base/fd.h"

namespace preload {

// /proc/PID, held open: what is read through it is that process's, or fails
// when it has gone, and never another's that got the same pid.
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

// The files as a process finds them: names resolve in its root directory, no
// link leads out of it, and relative ones begin in its working directory.
class RootView {
 public:
  // A live process's. Nothing when it has gone or hides them.
  static std::optional<RootView> of_process(const ProcessDir& process);
  // Our own, with `cwd` for relative names.
  static std::optional<RootView> of_host(const std::string& cwd);

  // An O_PATH descriptor of what `path` names. Opens nothing for reading, so
  // no device or fifo notices.
  [[nodiscard]] Fd open(const std::string& path) const;
  // The path in this root of what open() gave; empty when it has none.
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
// Where a descriptor's file is, as /proc shows it to us.
[[nodiscard]] std::string path_of_fd(const Fd& fd);

}  // namespace preload
