// SPDX-License-Identifier: Apache-2.0
// Takes snapshots from /proc: at exec time in a listener, later for an exec
// without one, and of processes that run already.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "preload/base/fd.h"
#include "preload/base/result.h"
#include "preload/capture/environ_scanner.h"
#include "preload/capture/snapshot_format.h"

namespace preload {

// Room that the sections other than variables need at most, so that a flood of
// variables does not push them out.
inline constexpr size_t kOtherSections = kMaxCmdline + 24 * 1024;
// Space for any snapshot: the kernel's bound for argv and environment (6 MiB,
// fs/exec.c) and the rest.
inline constexpr size_t kMaxSnapshot = size_t{8} << 20;

// How a read of an environment ended.
struct ReadOutcome {
  size_t length = 0;  // of the message; 0 = no room for one
  SnapshotKind kind = SnapshotKind::kUnread;
  // errno; of kWatched: only a part could be read; of kUnread, ENOBUFS: there
  // are watched variables, but no room for any.
  int error = 0;
  bool scrubbed = false;  // there was a block, but no NAME=value in it
};

// One thread; never allocates after construction, follows no path outside
// /proc, looks at no other process. Not small: 64 KiB.
//
// A read can hang when the process already runs (timed_call.h), so callers
// other than listeners limit its time. A listener reads before the process
// runs; before it reads more than 64 KiB of environment, it reads everything
// else that could hang.
class SnapshotReader {
 public:
  // `proc` is the mounted /proc; tests give another directory.
  static Result<Fd> open_proc(const char* path = "/proc");
  explicit SnapshotReader(const Fd& proc) : proc_(proc.get()) {}

  // Reads the environment of `pid` and, when a watched variable is there, all
  // the rest into `space` as a message of snapshot_format.h. `exec_ns` is
  // stored with it. Reads of a message are of one process even if the pid is
  // used again meanwhile.
  ReadOutcome read(int32_t pid, uint64_t exec_ns, const WatchList& watched,
                   std::span<std::byte> space);

 private:
  struct Environ {
    size_t bytes = 0;
    int error = 0;  // ESRCH: gone, EIO: went while being read, or errno
    bool rest_read = false;
  };
  Environ read_environ(int32_t pid, EnvironScanner& scanner,
                       SnapshotWriter& out);
  [[nodiscard]] int why_short(int32_t pid, const Fd& environ,
                              size_t bytes) const;
  void read_rest(int32_t pid, SnapshotWriter& out);

  int proc_;
  std::array<char, 64 * 1024> buffer_;
};

}  // namespace preload
