// SPDX-License-Identifier: Apache-2.0
// The doctor's patient: this probe, or in tests a tree of files and answers.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
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

// The seams. this_system() fills them with the real thing.
struct SystemProbe {
  std::string root;       // stands before every path that is looked at
  uint32_t uid = 0;       // as whom we look; 0 may look at everything
  uint32_t root_uid = 0;  // who must own what only root may change
  const Clock* clock = nullptr;
  std::function<Result<AuditStatus>()> audit_status;
  std::function<Result<std::vector<AuditRule>>()> audit_rules;
  std::vector<ExecAbi> abis;
  bool runs_32bit = true;  // the kernel runs programs of the second ABI
  // Standard output of a program that ended well.
  std::function<Result<std::string>(const std::vector<std::string>& argv)>
      run_command;
  // Sends SIGUSR1.
  std::function<Status(pid_t pid)> ask_for_state;
  std::function<Status()> probe_connector;
  // SELinux's label of a file (extended attribute security.selinux); empty:
  // none.
  std::function<std::string(const std::string& path)> selinux_label;
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

// All of a small file (64 KiB); follows links.
[[nodiscard]] Result<std::string> read_file(const SystemProbe& probe,
                                            const std::string& path);
// `key = value` lines as auditd reads them: keys in lower case, # comments.
struct KeyValue {
  std::string key;
  std::string value;
};
[[nodiscard]] std::vector<KeyValue> key_values(const std::string& text);

// What lets others than root, or than `other_owner`, change the file; nothing
// when it is safe.
[[nodiscard]] std::optional<Flaw> find_flaw(
    const SystemProbe& probe, const std::string& path,
    const struct stat& status, std::optional<uint32_t> other_owner = {});

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
  uint32_t uid = 0;        // effective
  int64_t started_us = 0;  // wall clock, to the second; 0 = unknown
};

// Nothing when there is none, or it is a zombie.
[[nodiscard]] std::optional<Process> find_process(const SystemProbe& probe,
                                                  pid_t pid);
[[nodiscard]] std::vector<Process> children_of(const SystemProbe& probe,
                                               pid_t parent);

}  // namespace preload
