// SPDX-License-Identifier: Apache-2.0
// --check: a table of conditions that a working deployment meets. Each check
// is a small function over a SystemProbe; see DESIGN.md and the manual.
//
// What the running plugin reports in its state file is not worked out again.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "preload/base/config.h"
#include "preload/doctor/check_report.h"
#include "preload/doctor/system_probe.h"

namespace preload {

inline constexpr const char* kDropIn =
    "/usr/lib/systemd/system/auditd.service.d/50-audisp-preload.conf";
inline constexpr const char* kRulesFile = "/etc/audit/rules.d/45-preload.rules";

// A remedy.
inline constexpr const char* kRestart =
    "restart auditd (systemctl restart auditd; on Red Hat systems: service "
    "auditd restart)";

// What a check learned and later ones use.
struct Deployment {
  std::string config_file;  // that --check was given
  // The file's, or the defaults while it is not valid or cannot be read.
  Config config;
  bool config_known = false;
  // Of auditd's entry for the plugin.
  std::string entry_file = "/etc/audit/plugins.d/preload.conf";
  std::string plugin_path = "/usr/sbin/audisp-preload";
  bool entry_active = false;
  std::optional<AuditStatus> audit;
  std::optional<Process> auditd;
  std::optional<Process> plugin;
  KeyValues state;  // the running plugin's state file
};

using Check = void (*)(const SystemProbe&, Deployment&, CheckReport&);

// check_install.cc. Sets `config`; `entry_*` and `plugin_path`.
void check_configuration(const SystemProbe&, Deployment&, CheckReport&);
void check_entry(const SystemProbe&, Deployment&, CheckReport&);
void check_binary(const SystemProbe&, Deployment&, CheckReport&);
void check_user(const SystemProbe&, Deployment&, CheckReport&);

// check_rules.cc: execs of every ABI, and the watch of /etc/ld.so.preload.
void check_rules(const SystemProbe&, Deployment&, CheckReport&);

// check_auditd.cc. Sets `audit`; `auditd`; `plugin`; `state`.
void check_kernel_audit(const SystemProbe&, Deployment&, CheckReport&);
void check_auditd(const SystemProbe&, Deployment&, CheckReport&);
void check_plugin(const SystemProbe&, Deployment&, CheckReport&);
void check_state(const SystemProbe&, Deployment&, CheckReport&);
// What auditd.conf, that of the running auditd, has for `key`.
[[nodiscard]] std::string auditd_setting(const SystemProbe& probe,
                                         const Deployment& deployment,
                                         const std::string& key,
                                         std::string_view otherwise);

// check_capture.cc: the mode of the running plugin, or what it could attain;
// what it lost or could not do.
void check_capture(const SystemProbe&, Deployment&, CheckReport&);
void check_losses(const SystemProbe&, Deployment&, CheckReport&);

// check_history.cc: owner, mode, space; schema and content, coverage of today,
// pending alerts; the effective rule and each exception with its hits.
void check_database_files(const SystemProbe&, Deployment&, CheckReport&);
void check_database(const SystemProbe&, Deployment&, CheckReport&);
void list_rule(const SystemProbe&, Deployment&, CheckReport&);

// check_outputs.cc. Sends one line of priority debug to syslog.
void check_syslog(const SystemProbe&, Deployment&, CheckReport&);
void check_files(const SystemProbe&, Deployment&, CheckReport&);

// In this order: some use what others found.
inline constexpr std::array<Check, 16> kChecks{
    check_configuration, check_kernel_audit, check_rules,  check_auditd,
    check_entry,         check_binary,       check_plugin, check_state,
    check_user,          check_capture,      check_losses, check_database_files,
    check_database,      check_syslog,       check_files,  list_rule,
};

// All checks.
[[nodiscard]] CheckReport run_checks(const SystemProbe& probe,
                                     const std::string& config_file);

// The action --check: prints the report. An ExitCode.
[[nodiscard]] int check(const std::string& config_file);

}  // namespace preload
