// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_auditd.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "preload/base/text.h"

namespace preload {
namespace {

constexpr uint32_t kSmallBacklog = 1024;
// The boot, from which starts are reckoned, is told to the second.
constexpr int64_t kStartErrorUs = 2 * kMicrosPerSecond;
// auditd's default, see auditd.conf(5).
constexpr const char* kMaxRestarts = "10";

constexpr const char* kKernelAudit = "kernel auditing";
constexpr const char* kLost = "audit records lost";
constexpr const char* kBacklog = "audit backlog";
constexpr const char* kAuditd = "auditd running";
constexpr const char* kPlugin = "plugin running";

// The folder of auditd.conf: auditd -c names another.
std::string auditd_folder(const Deployment& deployment) {
  if (deployment.auditd) {
    const auto& argv = deployment.auditd->argv;
    const auto option = std::find(argv.begin(), argv.end(), "-c");
    if (option != argv.end() && option + 1 != argv.end())
      return *(option + 1);
  }
  return "/etc/audit";
}

}  // namespace

std::string auditd_setting(const SystemProbe& probe,
                           const Deployment& deployment, std::string_view key,
                           std::string_view otherwise) {
  const auto text =
      read_file(probe, auditd_folder(deployment) + "/auditd.conf");
  if (text)
    for (const KeyValue& pair : key_values(*text))
      if (pair.key == key)
        return pair.value;
  return std::string(otherwise);
}

void check_kernel_audit(const SystemProbe& probe, Deployment& deployment,
                        Findings& findings) {
  const auto status = probe.audit_status();
  if (!status) {
    const int error = status.error().code.value();
    if (probe.uid != 0 && (error == EPERM || error == EACCES))
      findings.push_back(unknown(kKernelAudit, "only root may ask"));
    else if (error == ECONNREFUSED)
      findings.push_back(broken(
          kKernelAudit,
          "the kernel does not talk to us: this is a container, or audit=0",
          "run auditd and the plugin on the host itself, booted without "
          "audit=0"));
    else
      findings.push_back(broken(
          kKernelAudit, status.error().message(),
          "a kernel with CONFIG_AUDIT and CONFIG_AUDITSYSCALL is needed"));
    return;
  }
  deployment.audit = *status;
  if (status->enabled == 0)
    findings.push_back(
        broken(kKernelAudit, "off: no exec is reported",
               "auditctl -e 1 for now; to stay: audit=1 on the kernel's "
               "command line, and no -e 0 in /etc/audit/rules.d"));
  else
    findings.push_back(
        good(kKernelAudit, status->enabled == 2 ? "on, rules locked" : "on"));
  if (status->lost > 0)
    findings.push_back(warning(
        kLost,
        fmt::format("{} since boot: execs among them were not told whole",
                    status->lost),
        "a larger backlog: -b 8192 in /etc/audit/rules.d; then look again "
        "whether the number grows"));
  else
    findings.push_back(good(kLost, "none since boot"));
  if (status->backlog_limit < kSmallBacklog)
    findings.push_back(
        warning(kBacklog,
                fmt::format("room for {} records only", status->backlog_limit),
                "-b 8192 in /etc/audit/rules.d, then augenrules --load"));
  else if (status->backlog > status->backlog_limit / 2)
    findings.push_back(warning(
        kBacklog,
        fmt::format("{} of {} records wait for auditd", status->backlog,
                    status->backlog_limit),
        "auditd or one of its plugins does not keep up: see top, and the "
        "rules that fire most (aureport --key --summary)"));
  else
    findings.push_back(
        good(kBacklog, fmt::format("{} of {} in use", status->backlog,
                                   status->backlog_limit)));
}

void check_auditd(const SystemProbe& probe, Deployment& deployment,
                  Findings& findings) {
  if (!deployment.audit) {
    findings.push_back(unknown(kAuditd, "the kernel did not tell its pid"));
    return;
  }
  const auto pid = static_cast<pid_t>(deployment.audit->pid);
  if (pid == 0) {
    findings.push_back(
        broken(kAuditd, "no audit daemon is registered",
               "start it: systemctl enable --now auditd, or without "
               "systemd auditd itself"));
    return;
  }
  auto process = find_process(probe, pid);
  if (!process || process->comm != "auditd") {
    findings.push_back(broken(
        kAuditd,
        process ? fmt::format("pid {}, which takes the audit records, is {}",
                              pid, process->comm)
                : fmt::format("pid {} takes the audit records, but is not to "
                              "be seen here",
                              pid),
        "stop that program and start auditd: only auditd runs plugins"));
    return;
  }
  deployment.auditd = std::move(process);
  findings.push_back(good(kAuditd, fmt::format("pid {}", pid)));
}

void check_plugin(const SystemProbe& probe, Deployment& deployment,
                  Findings& findings) {
  if (!deployment.auditd) {
    findings.push_back(unknown(kPlugin, deployment.audit
                                            ? "auditd does not run"
                                            : "who runs auditd is not known"));
    return;
  }
  const pid_t auditd = deployment.auditd->pid;
  for (Process& process : children_of(probe, auditd)) {
    // Only root may read the link of a root process.
    const bool ours = process.executable.empty()
                          ? process.comm == "audisp-preload"
                          : basename_of(process.executable) == "audisp-preload";
    if (ours)
      deployment.plugin = std::move(process);
  }
  if (const auto& plugin = deployment.plugin) {
    if (plugin->deleted)
      findings.push_back(warning(
          kPlugin,
          fmt::format("pid {} still runs the program that {} has replaced",
                      plugin->pid, deployment.plugin_path),
          kRestart));
    else
      findings.push_back(good(
          kPlugin, fmt::format("pid {} under auditd {}", plugin->pid, auditd)));
    return;
  }
  if (!deployment.entry_active) {
    findings.push_back(unknown(kPlugin, "auditd has no active entry for it"));
    return;
  }
  const std::string look = fmt::format(
      "see why it ends in the log (journalctl -t audisp-preload -t auditd, or "
      "grep audisp-preload /var/log/syslog) or by running {} --config {} "
      "</dev/null",
      deployment.plugin_path, deployment.config_file);
  if (deployment.auditd->started_us != 0 &&
      deployment.entry_changed_us >
          deployment.auditd->started_us + kStartErrorUs)
    findings.push_back(broken(
        kPlugin,
        fmt::format("auditd (pid {}) was started before {} was written and "
                    "seems not to have read it",
                    auditd, deployment.entry_file),
        fmt::format("{}; if it ends again, {}", kRestart, look)));
  else
    findings.push_back(broken(
        kPlugin,
        fmt::format(
            "its entry is active, but auditd (pid {}) has no such "
            "process: auditd gave up restarting it (max_restarts = {})",
            auditd,
            auditd_setting(probe, deployment, "max_restarts", kMaxRestarts)),
        fmt::format("{}; then {}", look, kRestart)));
}

}  // namespace preload
