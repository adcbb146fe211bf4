// SPDX-License-Identifier: Apache-2.0
// What --check examines: this system, or in tests a tree of files and answers.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/result.h"
#include "preload/base/trusted_file.h"
#include "preload/doctor/audit_status.h"

namespace preload {

// Of the file system that a path is on.
struct Space {
  uint64_t free_bytes = 0;  // for users other than root
  bool inodes_left = true;
  bool read_only = false;
};

// this_system() fills the functions with the real ones.
struct SystemProbe {
  std::string root;       // prefix of every path that is examined
  uint32_t uid = 0;       // effective uid of --check
  uint32_t root_uid = 0;  // owner of the files that only root may change
  const Clock* clock = nullptr;
  std::function<Result<AuditStatus>()> audit_status;
  std::function<Result<std::vector<AuditRule>>()> audit_rules;
  std::vector<ExecAbi> abis;  // those that this kernel runs
  // Sends SIGUSR1.
  std::function<Status(pid_t pid)> request_state;
  std::function<Status()> probe_connector;
  // Asks for SCHED_FIFO in a thread of its own: 0 or an errno.
  std::function<int(int priority)> try_realtime;
  std::function<Result<Space>(const std::string& path)> space;
  int64_t answer_ms = 1000;  // how long the plugin may take to report

  [[nodiscard]] std::string at(const std::string& path) const {
    return root + path;
  }
};

[[nodiscard]] SystemProbe this_system(const Clock& clock);

// ---- Files; paths without the root

[[nodiscard]] bool exists(const SystemProbe& probe, const std::string& path);
// All of a small file (64 KiB); follows links.
[[nodiscard]] Result<std::string> read_file(const SystemProbe& probe,
                                            const std::string& path);
// Lines `key<separator>value`, keys in lower case, # comments: auditd's files,
// the state file, /proc/PID/status. The last line of a key counts.
using KeyValues = std::map<std::string, std::string>;
[[nodiscard]] KeyValues key_values(const std::string& text, char separator);
[[nodiscard]] std::string value_of(const KeyValues& values,
                                   const std::string& key,
                                   std::string_view otherwise = "");

// What lets others than root, or than `other_owner`, change the file, or that
// it is not of `type`; nothing when it is safe.
[[nodiscard]] std::optional<Flaw> find_flaw(
    const SystemProbe& probe, const std::string& path,
    const struct stat& status, std::optional<uint32_t> other_owner = {},
    mode_t type = S_IFREG);

// What /etc/passwd and /etc/group have for `name`; not asked of NSS, which may
// hang.
[[nodiscard]] std::optional<uint32_t> uid_of(const SystemProbe& probe,
                                             const std::string& name);
[[nodiscard]] std::optional<uint32_t> gid_of(const SystemProbe& probe,
                                             const std::string& name);

// ---- Processes

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  std::string comm;
  // The link of /proc/PID/exe, empty when it cannot be read; without the
  // kernel's " (deleted)".
  std::string executable;
  bool deleted = false;  // the program's file was replaced or removed
  std::vector<std::string> argv;
};

// Nothing when there is none, or it is a zombie.
[[nodiscard]] std::optional<Process> find_process(const SystemProbe& probe,
                                                  pid_t pid);
[[nodiscard]] std::vector<Process> children_of(const SystemProbe& probe,
                                               pid_t parent);

}  // namespace preload
