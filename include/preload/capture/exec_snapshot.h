// SPDX-License-Identifier: Apache-2.0
// What /proc says of one program, read at its exec or later. An exec's event
// (correlate/exec_event.h) is its snapshot with what audit adds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "preload/procfs/proc_files.h"

namespace preload {

// One watched string of an environment. Exact bytes.
struct EnvVar {
  std::string name;
  std::string value;
  bool operator==(const EnvVar&) const = default;
};

struct ExecSnapshot {
  int32_t pid = 0;  // thread group id, in the initial pid namespace
  int32_t ppid = 0;
  // CLOCK_MONOTONIC of the exec as the connector gave it; of the read, for a
  // late one; 0 = unknown.
  uint64_t exec_ns = 0;
  // Since boot, in clock ticks: /proc/PID/stat field 22. Of the process, not
  // of the exec.
  uint64_t start_ticks = 0;
  // Every watched string in the order of the environment, duplicates too up to
  // EnvironScanner::kKeepAll.
  std::vector<EnvVar> env;
  std::string executable;  // /proc/PID/exe; empty when unreadable
  // Of the parent. Listeners do not read it: a parent may block it on purpose.
  std::string parent_executable;
  std::vector<std::string> argv;  // bounded: see argv_truncated
  bool argv_truncated = false;
  std::string cwd;
  std::string tty;        // as audit writes it: "pts0", "(none)"
  std::string cgroup;     // of /proc/PID/cgroup, see parse_cgroup()
  std::string container;  // id of the cgroup's container, or empty
  uint32_t uid = kUnsetId;
  uint32_t euid = kUnsetId;
  uint32_t gid = kUnsetId;
  uint32_t egid = kUnsetId;
  uint32_t auid = kUnsetId;
  uint32_t ses = kUnsetId;
  // AT_SECURE of auxv: ld.so ignores most variables. Nothing when unreadable.
  std::optional<bool> secure;
  // No program interpreter (AT_BASE is 0): static, or the loader itself.
  std::optional<bool> no_interpreter;
  // `env` lacks variables: they did not all fit the ring, or reading broke off.
  bool env_truncated = false;

  bool operator==(const ExecSnapshot&) const = default;
};

}  // namespace preload
