// SPDX-License-Identifier: Apache-2.0
// The kernel's audit system, auditd, and the plugin under it.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "preload/base/text.h"
#include "preload/doctor/check.h"

namespace preload {
namespace {

// auditd's default, see auditd.conf(5).
constexpr const char* kMaxRestarts = "10";

constexpr const char* kKernelAudit = "kernel auditing";
constexpr const char* kLost = "audit records lost";
constexpr const char* kAuditd = "auditd running";
constexpr const char* kPlugin = "plugin running";
constexpr const char* kAnswers = "plugin answers";
constexpr const char* kSelinux = "SELinux";

bool is_plugin(const Process& process) {
  // Only root may read the link of a root process.
  return process.executable.empty()
             ? process.comm == "audisp-preload"
             : basename_of(process.executable) == "audisp-preload";
}

// The state file once it is no longer `before`; each has the time of writing.
std::optional<std::string> wait_for_report(const SystemProbe& probe,
                                           const std::string& file,
                                           const std::string& before) {
  constexpr auto kStep = std::chrono::milliseconds(10);
  for (int64_t waited = 0; waited < probe.answer_ms; waited += kStep.count()) {
    if (auto text = read_file(probe, file); text && *text != before)
      return *text;
    std::this_thread::sleep_for(kStep);
  }
  return std::nullopt;
}

// In auditd's domain the plugin may open neither the database nor the process
// connector.
void note_selinux(const SystemProbe& probe, const Deployment& deployment,
                  CheckReport& report) {
  const auto enforcing = read_file(probe, "/sys/fs/selinux/enforce");
  if (!enforcing)
    return;
  std::string context;
  if (deployment.plugin)
    context = read_file(probe, fmt::format("/proc/{}/attr/current",
                                           deployment.plugin->pid))
                  .value_or("");
  const auto parts = split(context, ':');
  report.note(
      kSelinux,
      fmt::format("{}, the plugin's domain is {}; the plugin's own policy "
                  "module is /usr/share/audisp-preload/policy/"
                  "audisp_preload.te",
                  trimmed(*enforcing) == "1" ? "enforcing" : "permissive",
                  parts.size() >= 3 ? parts[2] : "not known"));
}

}  // namespace

std::string auditd_setting(const SystemProbe& probe,
                           const Deployment& deployment, const std::string& key,
                           std::string_view otherwise) {
  std::string folder = "/etc/audit";  // auditd -c names another
  if (deployment.auditd) {
    const auto& argv = deployment.auditd->argv;
    const auto option = std::find(argv.begin(), argv.end(), "-c");
    if (option != argv.end() && option + 1 != argv.end())
      folder = *(option + 1);
  }
  const auto text = read_file(probe, folder + "/auditd.conf");
  return value_of(key_values(text.value_or(""), '='), key, otherwise);
}

void check_kernel_audit(const SystemProbe& probe, Deployment& deployment,
                        CheckReport& report) {
  const auto status = probe.audit_status();
  if (!status) {
    const int error = status.error().code.value();
    if (probe.uid != 0 && (error == EPERM || error == EACCES))
      return report.skipped(kKernelAudit, "only root may ask");
    return report.failure(
        kKernelAudit, status.error().message(),
        error == ECONNREFUSED
            ? "run auditd and the plugin on the host, not in a container, and "
              "boot it without audit=0"
            : "a kernel with CONFIG_AUDIT and CONFIG_AUDITSYSCALL is needed");
  }
  deployment.audit = *status;
  if (status->enabled == 0)
    report.failure(kKernelAudit, "off: no exec is reported",
                   "auditctl -e 1 for now; permanently: audit=1 on the "
                   "kernel's command line, and no -e 0 in /etc/audit/rules.d");
  else
    report.ok(kKernelAudit, status->enabled == 2 ? "on, rules locked" : "on");
  if (status->lost > 0)
    report.warning(
        kLost,
        fmt::format("{} since boot, so events of execs can be incomplete "
                    "(backlog limit {})",
                    status->lost, status->backlog_limit),
        "-b 8192 or more in /etc/audit/rules.d, augenrules --load; then run "
        "--check again to see whether the number grows");
  else
    report.ok(kLost, "none since boot");
}

void check_auditd(const SystemProbe& probe, Deployment& deployment,
                  CheckReport& report) {
  if (!deployment.audit)
    return report.skipped(kAuditd, "the kernel did not report its pid");
  const auto pid = static_cast<pid_t>(deployment.audit->pid);
  if (pid == 0)
    return report.failure(kAuditd, "no audit daemon is registered",
                          "start it: systemctl enable --now auditd, or "
                          "auditd itself where there is no systemd");
  auto process = find_process(probe, pid);
  if (!process || process->comm != "auditd")
    return report.failure(
        kAuditd,
        fmt::format("pid {}, which receives the audit records, is {}", pid,
                    process ? process->comm : "not in this pid namespace"),
        "stop that program and start auditd: only auditd runs plugins");
  deployment.auditd = std::move(process);
  report.ok(kAuditd, fmt::format("pid {}", pid));
}

void check_plugin(const SystemProbe& probe, Deployment& deployment,
                  CheckReport& report) {
  if (!deployment.auditd)
    return report.skipped(kPlugin, deployment.audit
                                       ? "auditd does not run"
                                       : "it is not known which auditd runs");
  const pid_t auditd = deployment.auditd->pid;
  for (Process& process : children_of(probe, auditd))
    if (is_plugin(process))
      deployment.plugin = std::move(process);
  note_selinux(probe, deployment, report);
  if (const auto& plugin = deployment.plugin) {
    if (plugin->deleted)
      return report.warning(
          kPlugin,
          fmt::format("pid {} still runs the program that {} has replaced",
                      plugin->pid, deployment.plugin_path),
          kRestart);
    return report.ok(
        kPlugin, fmt::format("pid {} under auditd {}", plugin->pid, auditd));
  }
  if (!deployment.entry_active)
    return report.skipped(kPlugin, "auditd has no active entry for it");
  report.failure(
      kPlugin,
      fmt::format(
          "{} is active, but auditd (pid {}) has no such process: it "
          "gave up restarting it (max_restarts = {}), or has not read "
          "the entry yet",
          deployment.entry_file, auditd,
          auditd_setting(probe, deployment, "max_restarts", kMaxRestarts)),
      fmt::format("{}; if the plugin ends again, the log has the reason "
                  "(journalctl -t audisp-preload -t auditd, or grep "
                  "audisp-preload /var/log/syslog), and so has {} --config {} "
                  "</dev/null",
                  kRestart, deployment.plugin_path, deployment.config_file));
}

void check_state(const SystemProbe& probe, Deployment& deployment,
                 CheckReport& report) {
  if (!deployment.plugin)
    return;
  const pid_t pid = deployment.plugin->pid;
  const std::string& file = deployment.config.state_file;
  const std::string before = read_file(probe, file).value_or("");
  const Status requested = probe.request_state(pid);
  const auto answer = requested ? wait_for_report(probe, file, before)
                                : std::optional<std::string>();
  KeyValues state = key_values(answer.value_or(before), ':');
  const bool current = state["pid"] == std::to_string(pid);
  if (current)
    deployment.state = state;
  if (!requested && !current)
    report.skipped(kAnswers, requested.error().message());
  else if (requested && !answer)
    report.failure(
        kAnswers,
        fmt::format("pid {} did not write {} within {} ms", pid, file,
                    probe.answer_ms),
        fmt::format("the machine is overloaded, or the plugin hangs: run "
                    "--check again; if it fails again, {}",
                    kRestart));
  else if (requested && !current)
    report.skipped(kAnswers, fmt::format("{} is of pid {}, not of {}", file,
                                         state["pid"], pid));
  else if (requested)
    report.ok(kAnswers);
}

}  // namespace preload
