// SPDX-License-Identifier: Apache-2.0
// One exec with everything that is known about it: the join of a snapshot and
// an audit event, and what every later stage works on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "preload/audit/audit_event.h"
#include "preload/capture/exec_snapshot.h"

namespace preload {

// How the environment was obtained. In alerts: capture=exec, late, none.
enum class Capture : uint8_t {
  kExec,  // before the program's first instruction
  kLate,  // from /proc afterwards, verified to be the same program image
  kNone,  // missed
};

// What showed the variable. In the database and in alerts.
enum class Origin : uint8_t {
  kExec,          // "exec": an audited exec
  kUnaudited,     // "unaudited": an exec that audit did not report
  kInventory,     // "inventory": a process that ran before the plugin started
  kLoaderOption,  // "ld.so-option": --preload and the like on ld.so's argv
  kPreloadFile,   // "ld.so.preload": an entry of /etc/ld.so.preload
};

enum class MissReason : uint8_t { kExited, kDenied, kReplaced, kUnreadable };

[[nodiscard]] std::string_view to_string(Capture capture);
[[nodiscard]] std::string_view to_string(Origin origin);
[[nodiscard]] std::string_view to_string(MissReason reason);

struct ExecEvent {
  Capture capture = Capture::kNone;
  Origin origin = Origin::kExec;
  MissReason missed = MissReason::kExited;  // when capture is kNone

  int64_t time_us = 0;   // wall clock of the exec
  uint64_t exec_ns = 0;  // CLOCK_MONOTONIC of the exec; 0 = unknown
  AuditId audit;         // serial 0 = no audit event

  std::vector<EnvVar> env;  // the watched variables
  std::string executable;
  std::vector<std::string> argv;
  bool argv_truncated = false;
  std::string comm;
  std::string cwd;
  int32_t pid = 0;
  int32_t ppid = 0;
  std::string parent_executable;
  uint64_t start_ticks = 0;

  uint32_t uid = kUnsetId;
  uint32_t euid = kUnsetId;
  uint32_t gid = kUnsetId;
  uint32_t egid = kUnsetId;
  uint32_t auid = kUnsetId;
  uint32_t ses = kUnsetId;
  std::string user;        // name of uid; empty = not known (yet)
  std::string login_user;  // name of auid
  std::string tty;         // "pts0", "(none)"
  std::string key;         // audit keys, joined with ','
  std::string syscall;
  std::string cgroup;
  std::string container;               // container id, or empty
  std::optional<bool> secure;          // AT_SECURE
  std::optional<bool> no_interpreter;  // static, or the loader itself

  bool operator==(const ExecEvent&) const = default;
};

// As it leaves the correlator: shared from then on, never copied or changed.
using ExecEventPtr = std::shared_ptr<const ExecEvent>;

// About how much memory it takes, for the bounds of queues. Bytes.
[[nodiscard]] size_t weight(const ExecEvent& event);
// Of these parts of it.
[[nodiscard]] size_t weight(std::span<const EnvVar> env,
                            std::span<const std::string> argv);

}  // namespace preload
