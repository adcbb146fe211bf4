// SPDX-License-Identifier: Apache-2.0
// The installed and the running plugin.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <string_view>

#include "preload/base/text.h"
#include "preload/doctor/check.h"

namespace preload {
namespace {

constexpr const char* kNoPriority =
    "remove realtime_priority = 0 from the configuration";
constexpr const char* kAudit = "capture = auto in the configuration";

// Lines of the state file that should be 0; audisp-preload(8) explains them.
constexpr std::array<const char*, 7> kLosses{
    "connector_overrun", "ring_full",        "snapshot_truncated",
    "store_queue_full",  "record_malformed", "record_overlong",
    "event_cut"};

// auditd.service has RestrictRealtime=true, which the drop-in lifts.
std::string realtime_remedy(const Deployment& deployment) {
  constexpr const char* kReload =
      "systemctl daemon-reload && systemctl restart auditd";
  if (!deployment.systemd)
    return "allow it by CAP_SYS_NICE or RLIMIT_RTPRIO, on "
           "CONFIG_RT_GROUP_SCHED kernels by cpu.rt_runtime_us of the cgroup, "
           "and restart auditd";
  if (!deployment.drop_in)
    return fmt::format("install the drop-in {} (RestrictRealtime=no), then {}",
                       kDropIn, kReload);
  return fmt::format(
      "{}; if the mode stays nice, systemctl cat auditd shows what overrides "
      "{}",
      kReload, kDropIn);
}

// The plugin does not run.
CheckResult check_attainable(const Deployment& deployment) {
  const Config config = deployment.settings();
  if (config.capture == CaptureChoice::kAudit)
    return warning("attainable: audit, as configured", kAudit);
  if (!deployment.root)
    return skipped("only root may try");
  if (!deployment.connector)
    return failure(deployment, deployment.connector.error(),
                   "a kernel with CONFIG_PROC_EVENTS, and not in a container");
  if (config.realtime_priority == 0)
    return warning("attainable: nice, as configured", kNoPriority);
  if (deployment.systemd && !deployment.drop_in)
    return failure(
        "attainable: nice; systemd denies auditd.service real-time scheduling",
        realtime_remedy(deployment));
  if (!deployment.realtime)
    return warning("attainable: nice; " + deployment.realtime.error().message(),
                   realtime_remedy(deployment));
  return ok("attainable: realtime");
}

}  // namespace

CheckResult check_configuration(const Deployment& deployment) {
  if (deployment.config)
    return ok(deployment.config_file);
  return failure(
      deployment, deployment.config.error(),
      deployment.config.error().code.value() == ENOENT
          ? "install audisp-preload again: the plugin does not start without it"
          : "correct it: the plugin does not start with it, and a running one "
            "keeps the old; audisp-preload.conf(5) has every key");
}

CheckResult check_files(const Deployment& deployment) {
  if (deployment.flaw)
    return failure(deployment.flaw->what, deployment.flaw->remedy);
  return deployment.root ? ok("") : skipped("only root may examine them");
}

CheckResult check_plugin(const Deployment& deployment) {
  if (const auto& plugin = deployment.plugin) {
    if (plugin->replaced)
      return warning(
          fmt::format(
              "pid {} still runs a program whose file was replaced or removed",
              plugin->pid),
          kRestart);
    if (const std::string file = deployment.state_of("configuration");
        file != escaped(deployment.config_file))
      return warning(fmt::format("pid {} uses {}, --check uses {}", plugin->pid,
                                 file, deployment.config_file),
                     "run --check --config " + file);
    const std::string user = deployment.state_of("user");
    if (!user.starts_with(deployment.settings().user + " ("))
      return warning(
          fmt::format("pid {} runs as {}, the configuration has user = {}",
                      plugin->pid, user, deployment.settings().user),
          kRestart);
    return ok(fmt::format("pid {}, {}", plugin->pid, user));
  }
  if (!deployment.audit || deployment.receiver != "auditd")
    return skipped("see auditd running");
  if (deployment.entry.empty())
    return failure(
        deployment.entry_file + " cannot be read",
        fmt::format("install audisp-preload again and {}", kRestart));
  if (const auto active = deployment.entry.find("active");
      active == deployment.entry.end() || active->second != "yes")
    return failure(deployment.entry_file + " is not active",
                   fmt::format("set active = yes in it and {}", kRestart));
  return failure(
      fmt::format("{} is active, but auditd (pid {}) has no such process with "
                  "the state file {}: it gave up restarting it (max_restarts "
                  "in auditd.conf), or has not read the entry yet",
                  deployment.entry_file, deployment.audit->pid,
                  deployment.settings().state_file),
      fmt::format(
          "{}; if the plugin ends again, the log has the reason (journalctl -t "
          "audisp-preload -t auditd, or grep audisp-preload /var/log/syslog)",
          kRestart));
}

CheckResult check_answer(const Deployment& deployment) {
  if (!deployment.plugin)
    return skipped("it does not run");
  if (deployment.plugin->answered)
    return ok("");
  return failure(deployment, deployment.plugin->answered.error(),
                 fmt::format("the machine is overloaded, or the plugin hangs: "
                             "run --check again; if it fails again, {}",
                             kRestart));
}

CheckResult check_capture(const Deployment& deployment) {
  if (!deployment.plugin)
    return check_attainable(deployment);
  const Config config = deployment.settings();
  // "MODE (why no better one)"
  const std::string stated = deployment.state_of("capture");
  const std::string_view mode =
      std::string_view(stated).substr(0, stated.find(' '));
  const std::string missed = stated + ": short-lived execs can be missed";
  if (mode == "realtime")
    return ok("realtime, every exec before its first instruction");
  if (mode == "nice" && config.realtime_priority == 0)
    return warning(missed, kNoPriority);
  if (mode == "nice")
    return deployment.systemd ? failure(missed, realtime_remedy(deployment))
                              : warning(missed, realtime_remedy(deployment));
  return config.capture == CaptureChoice::kAudit
             ? warning(missed, kAudit)
             : failure(missed,
                       "remove the cause and restart auditd; where SELinux "
                       "denies the connector, load the policy module "
                       "(audisp-preload-security(7))");
}

CheckResult check_losses(const Deployment& deployment) {
  if (!deployment.plugin)
    return skipped("the plugin does not run");
  std::vector<std::string> losses;
  for (const char* reason : kLosses) {
    const std::string count =
        deployment.state_of(fmt::format("drops {}", reason));
    if (parse_unsigned(count).value_or(0) > 0)
      losses.push_back(fmt::format("{} {}", count, reason));
  }
  if (losses.empty())
    return ok("none");
  return warning(fmt::format("{}", fmt::join(losses, ", ")),
                 "METRICS in audisp-preload(8) explains each; run --check "
                 "again to see whether they grow");
}

}  // namespace preload
