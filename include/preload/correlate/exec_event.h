// SPDX-License-Identifier: Apache-2.0
// One exec with everything that is known of it: its snapshot and what audit
// adds. Every later stage works on it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "preload/audit/exec_parser.h"
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

struct ExecEvent : ExecSnapshot {
  Capture capture = Capture::kNone;
  Origin origin = Origin::kExec;
  MissReason missed = MissReason::kExited;  // when capture is kNone

  int64_t time_us = 0;  // wall clock of the exec
  AuditId audit;        // serial 0 = no audit event
  std::string comm;
  std::string user;        // name of uid; empty = not known (yet)
  std::string login_user;  // name of auid
  std::string key;         // audit keys, joined with ','
  std::string syscall;

  ExecEvent() = default;
  explicit ExecEvent(ExecSnapshot&& snapshot)
      : ExecSnapshot(std::move(snapshot)) {}
  bool operator==(const ExecEvent&) const = default;
};

// As it leaves the correlator: shared from then on, never copied or changed.
using ExecEventPtr = std::shared_ptr<const ExecEvent>;

// Adds what audit reported. Where the snapshot has the same field, audit's
// value is preferred: analysts look the event up there, and it has paths as the
// process sees them. Of the arguments the longer list is kept.
void add_audit(ExecEvent& event, AuditExec&& exec);

// About how much memory they take, for the bounds of queues. Bytes.
[[nodiscard]] size_t weight(const ExecSnapshot& snapshot);
[[nodiscard]] size_t weight(const ExecEvent& event);

}  // namespace preload
