// SPDX-License-Identifier: Apache-2.0
// --check, the doctor: a table of conditions that a working deployment meets.
// Each is a small function over a SystemProbe; see DESIGN.md and the manual.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "preload/base/config.h"
#include "preload/doctor/finding.h"
#include "preload/doctor/system_probe.h"

namespace preload {

inline constexpr const char* kDropIn =
    "/usr/lib/systemd/system/auditd.service.d/50-audisp-preload.conf";
inline constexpr const char* kRulesFile = "/etc/audit/rules.d/45-preload.rules";

// A mend.
inline constexpr const char* kRestart =
    "restart auditd (systemctl restart auditd; on Red Hat systems: service "
    "auditd restart)";

// What checks found out for those after them.
struct Deployment {
  std::string config_file;  // that --check was given
  // The file's, or the defaults while it is not valid or cannot be read.
  Config config;
  bool config_known = false;
  // Of auditd's entry for us.
  std::string entry_file = "/etc/audit/plugins.d/preload.conf";
  std::string plugin_path = "/usr/sbin/audisp-preload";
  bool entry_active = false;
  int64_t entry_changed_us = 0;  // wall clock
  std::optional<AuditStatus> audit;
  std::optional<Process> auditd;
  std::optional<Process> plugin;
  // `key: value` lines of the running plugin's state file.
  std::map<std::string, std::string> state;
};

// Looks at one thing or a few that belong together; adds a finding for each.
using Check = void (*)(const SystemProbe&, Deployment&, Findings&);

// In the order in which they are made: some need what others found.
[[nodiscard]] std::span<const Check> checks();

// All checks; what stands in the report.
[[nodiscard]] Findings examine(const SystemProbe& probe,
                               const std::string& config_file);

// The action --check: prints the report. An ExitCode.
[[nodiscard]] int check(const std::string& config_file);

}  // namespace preload
