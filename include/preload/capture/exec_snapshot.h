// SPDX-License-Identifier: Apache-2.0
// What was read from /proc about one program, at its exec or later.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "preload/procfs/proc_parsers.h"

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
  // late one.
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
  std::string cgroup;  // the last line of /proc/PID/cgroup, from its first '/'
  uint32_t uid = kUnsetId;
  uint32_t euid = kUnsetId;
  uint32_t gid = kUnsetId;
  uint32_t egid = kUnsetId;
  uint32_t auid = kUnsetId;
  uint32_t ses = kUnsetId;
  int32_t tty_nr = 0;  // device number, 0 = none
  // AT_SECURE of auxv: ld.so ignores most variables. Nothing when unreadable.
  std::optional<bool> secure;
  // No program interpreter (AT_BASE is 0): static, or the loader itself.
  std::optional<bool> no_interpreter;
  // The variables did not all fit the ring; `env` is the first of them.
  bool truncated = false;
};

// "pts/0" as audit writes it (pts0) for a device number of stat's tty_nr;
// "(none)" for 0.
[[nodiscard]] std::string tty_name(int32_t tty_nr);

// The id of the container that a cgroup path belongs to (64 hexadecimal
// digits of Docker, podman, containerd and CRI-O), or empty.
[[nodiscard]] std::string container_id(std::string_view cgroup);

}  // namespace preload
