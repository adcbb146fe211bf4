// SPDX-License-Identifier: Apache-2.0
// What --check examines, gathered once: the kernel, auditd, the running plugin
// and its files. The checks (check.h) read it and touch nothing.
//
// The running plugin's state file has its mode, user and counters; what is in
// there is not worked out again.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "preload/base/config.h"
#include "preload/base/result.h"
#include "preload/base/trusted_file.h"
#include "preload/doctor/audit_status.h"
#include "preload/store/history_reader.h"

namespace preload {

// Lines `key<separator>value`, keys in lower case, # comments: auditd's files
// and the state file. The last line of a key counts.
using KeyValues = std::map<std::string, std::string>;
[[nodiscard]] KeyValues key_values(const std::string& text, char separator);

struct RunningPlugin {
  pid_t pid = 0;
  // The program's file was replaced or removed after its start.
  bool replaced = false;
  // It wrote the state file anew when asked (SIGUSR1), within a second.
  Status answered;
};

struct HistoryState {
  int64_t schema_version = 0;
  int64_t terms = 0;
  PendingAlerts pending;
  std::vector<ExceptionHits> hits;
};

struct Deployment {
  bool root = true;  // else much cannot be examined
  int64_t now_us = 0;
  std::string config_file;
  // Valid, exceptions and user included.
  Result<Config> config;
  // The first fault of a file's owner or mode.
  std::optional<Flaw> flaw;

  Result<audit_status> audit;
  Result<std::vector<AuditRule>> rules;
  std::vector<ExecAbi> abis;
  // Name of the process that receives the audit records; empty: there is none
  // in this pid namespace.
  std::string receiver;
  // auditd's entry for the plugin; empty without one.
  std::string entry_file;
  KeyValues entry;

  // A child of auditd that has written the state file.
  std::optional<RunningPlugin> plugin;
  KeyValues state;  // its
  // Only if it does not run: what it could attain.
  Status connector;
  Status realtime;

  bool systemd = true;
  bool drop_in = true;  // kDropIn is installed
  // The database's directory.
  Status writable;
  uint64_t free_bytes = 0;  // for users other than root
  Result<HistoryState> history;
  Status syslog;  // took a line of priority debug

  // The file's, or the defaults while that is not valid.
  [[nodiscard]] Config settings() const { return config.value_or(Config()); }
  // A line of the state file; empty without it.
  [[nodiscard]] std::string state_of(const std::string& key) const;
};

inline constexpr const char* kDropIn =
    "/usr/lib/systemd/system/auditd.service.d/50-audisp-preload.conf";

[[nodiscard]] Deployment examine_deployment(const std::string& config_file);

}  // namespace preload
