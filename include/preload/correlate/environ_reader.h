// SPDX-License-Identifier: Apache-2.0
// Reads the environment of a process that runs already: of an exec that no
// listener reported, verified to be that exec's, and of processes older than
// the plugin. Any call may hang (timed_call.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "preload/base/clock.h"
#include "preload/base/fd.h"
#include "preload/base/watchdog.h"
#include "preload/capture/snapshot_reader.h"
#include "preload/correlate/exec_event.h"

namespace preload {

struct LateRead {
  // kNothing: verified, no watched variable. kUnread: missed for `reason`.
  SnapshotKind kind = SnapshotKind::kUnread;
  MissReason reason = MissReason::kExited;
  std::unique_ptr<ExecSnapshot> snapshot;  // of kWatched
};

// One thread. Owns everything it uses, so that a call that hangs may outlive
// its caller.
class EnvironReader {
 public:
  // A duplicate of `proc` is kept; `clock` must outlive it.
  EnvironReader(const Fd& proc, const Clock& clock);

  // What is read belongs to the image that the audit event reports when, after
  // the read, /proc/PID/exe is still its program and the process is older than
  // the event. (The image cannot be an earlier one, the record comes at the end
  // of the exec; and a later one would have another program. A later exec of
  // the same program has a record of its own, see correlator.h.)
  LateRead read(int32_t pid, const WatchList& watched, std::string_view exe,
                int64_t event_us);
  // A process as it is now, whatever program it runs. Its reason is not set.
  LateRead read_any(int32_t pid, const WatchList& watched);

  struct Program {
    std::string path;          // target of /proc/PID/exe; empty when unreadable
    uint64_t start_ticks = 0;  // of the process; 0 when it has gone
    int error = 0;             // errno of an empty path
  };
  [[nodiscard]] Program program_of(int32_t pid) const;

 private:
  const Clock& clock_;
  Fd proc_;
  SnapshotReader reader_;
  std::unique_ptr<std::byte[]> space_;  // kMaxSnapshot, touched as needed
  ReadOutcome outcome_;                 // of the last read
};

// True when /proc/PID/exe and audit's exe= name one program. Audit gives the
// path as the process sees it, the link as we do: below a chroot that is the
// same path with something before it. Either may have been read when the file
// was deleted already.
[[nodiscard]] bool same_program(std::string_view link, std::string_view exe);

// The inventory, of processes that started before the plugin, whose execs it
// has not seen: calls `take` with an event of origin kInventory for each
// process that started before `before_ticks` (clock ticks since boot; 0 = all)
// and has a watched variable. Ends early when `stop` is set. Returns how many
// processes were read. Takes a few milliseconds per hundred processes; `pulse`
// beats with each. One that hangs is passed over.
size_t take_inventory(const Fd& proc, const WatchList& watched,
                      uint64_t before_ticks, const Clock& clock,
                      const std::atomic<bool>& stop, Pulse& pulse,
                      const std::function<void(ExecEventPtr)>& take);

}  // namespace preload
