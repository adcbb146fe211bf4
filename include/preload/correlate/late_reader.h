// SPDX-License-Identifier: Apache-2.0
// The second chance: reads the environment of an exec that has no snapshot
// when its audit record comes, and makes sure that it is the right one. And
// what else is read of processes outside the listeners: none of it may hang.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "preload/base/clock.h"
#include "preload/base/fd.h"
#include "preload/base/timed_call.h"
#include "preload/capture/proc_reader.h"
#include "preload/correlate/exec_event.h"

namespace preload {

struct LateRead {
  // kNothing: verified, no watched variable. kUnread: missed for `reason`.
  SnapshotKind kind = SnapshotKind::kUnread;
  MissReason reason = MissReason::kExited;
  std::unique_ptr<ExecSnapshot> snapshot;  // of kWatched
};

// One thread. What is read belongs to the image that the audit event speaks
// of when, after the read, /proc/PID/exe is still its program and the process
// is older than the event. (The image cannot be an earlier one, the record
// comes at the end of the exec; and if it were a later one, so would be the
// program. A later exec of the same program is told by its own record, see
// correlator.h.)
//
// A process that hangs on purpose (see timed_call.h) is given up after a
// moment: missed, unreadable.
class LateReader {
 public:
  // `clock` must outlive it.
  LateReader(const Fd& proc, const Clock& clock,
             TimedCall::Sum sum = TimedCall::Sum::kBounded);

  LateRead read(int32_t pid, const WatchList& watched,
                std::string_view audit_exe, int64_t event_us);

  // A process as it is now, whatever program it runs. kNothing and kWatched
  // are told apart, all else is kUnread.
  LateRead look_at(int32_t pid, const WatchList& watched);

  // The program of the parent, while it runs; empty when it has gone or hangs.
  // For a moment it is remembered, since many have their parent in common.
  [[nodiscard]] std::string parent_program(const ExecSnapshot& child);
  // The process runs another program from now on.
  void executed(int32_t pid) { parents_.erase(pid); }

 private:
  struct Reading;
  struct Parent {
    std::string program;
    uint64_t start_ticks = 0;
    int64_t read_ns = 0;
  };
  const Parent& parent_of(const ExecSnapshot& child);
  LateRead take(int32_t pid, const WatchList& watched);
  bool bounded(const std::function<void(Reading&)>& job);

  const Clock& clock_;
  Fd proc_;
  TimedCall calls_;
  std::shared_ptr<Reading> reading_;  // its last job may have it still
  std::unordered_map<int32_t, Parent> parents_;
};

// True when /proc/PID/exe and audit's exe= name one program. Audit gives the
// path as the process sees it, the link as we do: below a chroot that is the
// same path with something before it. Either may have been read when the file
// was deleted already.
[[nodiscard]] bool same_program(std::string_view link, std::string_view exe);

}  // namespace preload
