// SPDX-License-Identifier: Apache-2.0
// One exec on its way through the correlator: made of a listener's notice or of
// audit's SYSCALL record, completed by the other of the two and by late reads,
// and turned into one ExecEvent when it is settled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "preload/audit/exec_parser.h"
#include "preload/capture/exec_snapshot.h"
#include "preload/capture/snapshot_format.h"
#include "preload/correlate/exec_event.h"

namespace preload {

// Nearly all execs have no watched variable, and tens of thousands of them may
// wait for audit: so the large parts are pointers.
struct Exec {
  Exec() = default;
  explicit Exec(ExecNotice&& of)
      : pid(of.pid),
        notice(of.kind),
        exec_ns(of.exec_ns),
        snapshot(std::move(of.snapshot)) {}

  uint64_t token = 0;  // identifies it in answers of audit and of late reads
  int32_t pid = 0;     // thread group id

  // From the listener; nothing until its notice comes.
  std::optional<SnapshotKind> notice;
  uint64_t exec_ns = 0;  // CLOCK_MONOTONIC
  // Of the notice, or of a late read.
  std::unique_ptr<ExecSnapshot> snapshot;
  size_t bytes = 0;  // of the snapshot, as count_bytes() counted them

  // From audit: id, pid and program of the SYSCALL record; the rest when all
  // records have come.
  std::unique_ptr<AuditExec> audit;
  bool loader = false;
  bool needs_records = false;  // the rest is still to come

  // How the environment has been captured so far.
  Capture capture = Capture::kNone;
  MissReason reason = MissReason::kExited;

  // Late reads.
  uint8_t reads = 0;     // under way
  int64_t asked_ns = 0;  // CLOCK_MONOTONIC
  int64_t read_us = 0;   // wall clock, when the environment was read
  // The next exec of the same program in the pid, when it was reported before
  // the read was done: its token and audit's time of it.
  uint64_t next_token = 0;
  int64_t next_us = 0;
  int64_t due_ns = 0;  // not settled before

  // Settled without audit, and kept for the correction of the count alone.
  enum class Settled : uint8_t { kNo, kUnaudited, kMissed };
  Settled settled = Settled::kNo;
  bool options_seen = false;  // of a dynamic loader: all its options
};

// A listener could read its environment.
[[nodiscard]] inline bool is_read(const Exec& exec) {
  return exec.notice && *exec.notice != SnapshotKind::kUnread;
}

// There were watched variables, but the snapshot has none of them.
[[nodiscard]] inline bool lost_all(const ExecSnapshot& snapshot) {
  return snapshot.env_truncated && snapshot.env.empty();
}

// Takes the variables of `other` if it has more of them.
inline void adopt_env(ExecSnapshot& snapshot, ExecSnapshot&& other) {
  if (other.env.size() <= snapshot.env.size())
    return;
  snapshot.env = std::move(other.env);
  snapshot.env_truncated = other.env_truncated;
}

// Updates what the exec's snapshot contributes to `total`.
inline void count_bytes(Exec& exec, size_t& total) {
  total -= exec.bytes;
  exec.bytes = exec.snapshot ? weight(*exec.snapshot) : 0;
  total += exec.bytes;
}

}  // namespace preload
