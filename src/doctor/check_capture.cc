// SPDX-License-Identifier: Apache-2.0
// The capture mode of the running plugin, or the one that it could attain, and
// what the plugin lost.
#include <fmt/format.h>

#include <array>
#include <string_view>
#include <system_error>
#include <vector>

#include "preload/base/text.h"
#include "preload/doctor/check.h"

namespace preload {
namespace {

constexpr const char* kCapture = "capture mode";
constexpr const char* kAttainable = "capture mode attainable";
constexpr const char* kLosses = "losses since start";
constexpr const char* kErrors = "errors since start";
constexpr const char* kNoPriority =
    "remove realtime_priority = 0 from the configuration";

// A line of the state file that should be 0.
struct Loss {
  const char* key;
  const char* text;
};
constexpr std::array<Loss, 7> kLossKeys{{
    {"drops connector_overrun", "exec notifications lost by the kernel"},
    {"drops ring_full", "execs without room in a listener's ring"},
    {"drops snapshot_truncated", "snapshots cut"},
    {"drops store_queue_full", "events the database was too slow for"},
    {"drops record_malformed", "malformed audit records"},
    {"drops record_overlong", "audit records too long"},
    {"drops event_cut", "audit events cut off"},
}};

uint64_t number(const Deployment& deployment, const std::string& key) {
  return parse_unsigned(value_of(deployment.state, key)).value_or(0);
}

bool has_systemd(const SystemProbe& probe) {
  return exists(probe, "/run/systemd/system");
}

// auditd.service has RestrictRealtime=true, which the drop-in lifts.
std::string realtime_remedy(const SystemProbe& probe) {
  constexpr const char* kReload =
      "systemctl daemon-reload && systemctl restart auditd";
  if (!has_systemd(probe))
    return "allow it by CAP_SYS_NICE or RLIMIT_RTPRIO, on "
           "CONFIG_RT_GROUP_SCHED kernels by cpu.rt_runtime_us of the cgroup, "
           "and restart auditd";
  if (!exists(probe, kDropIn))
    return fmt::format("install the drop-in {} (RestrictRealtime=no), then {}",
                       kDropIn, kReload);
  return fmt::format(
      "{0}; if the mode stays nice, systemctl cat auditd shows what overrides "
      "{1}",
      kReload, kDropIn);
}

// The plugin does not run: what it could attain.
void check_attainable(const SystemProbe& probe, const Config& config,
                      CheckReport& report) {
  if (config.capture == CaptureChoice::kAudit)
    return report.warning(kAttainable,
                          "audit, as configured: short-lived execs are missed",
                          "capture = auto in the configuration");
  if (probe.uid != 0)
    return report.skipped(kAttainable, "only root may try");
  if (const Status probed = probe.probe_connector(); !probed)
    return report.failure(
        kAttainable, "audit only: " + probed.error().message(),
        "a kernel with CONFIG_PROC_EVENTS, and not in a container");
  if (config.realtime_priority == 0)
    return report.warning(kAttainable,
                          "nice, as configured (realtime_priority = 0)",
                          kNoPriority);
  if (const int error = probe.try_realtime(config.realtime_priority);
      error != 0)
    return report.warning(kAttainable,
                          fmt::format("nice: SCHED_FIFO refused: {}",
                                      std::generic_category().message(error)),
                          realtime_remedy(probe));
  if (has_systemd(probe) && !exists(probe, kDropIn))
    return report.failure(
        kAttainable, "nice: systemd denies auditd.service real-time scheduling",
        realtime_remedy(probe));
  report.ok(kAttainable, "realtime");
}

}  // namespace

void check_capture(const SystemProbe& probe, Deployment& deployment,
                   CheckReport& report) {
  const Config& config = deployment.config;
  if (!deployment.plugin)
    return check_attainable(probe, config, report);
  // "MODE (why no better one)"
  const std::string stated = deployment.state["capture"];
  const std::string_view mode =
      std::string_view(stated).substr(0, stated.find(' '));
  const std::string missed = stated + ": short-lived execs can be missed";
  if (mode == "realtime")
    report.ok(kCapture, "realtime, every exec before its first instruction");
  else if (mode == "nice" && config.realtime_priority == 0)
    report.warning(kCapture, missed, kNoPriority);
  else if (mode == "nice" && has_systemd(probe))
    report.failure(kCapture, missed, realtime_remedy(probe));
  else if (mode == "nice")
    report.warning(kCapture, missed, realtime_remedy(probe));
  else if (mode == "audit" && config.capture == CaptureChoice::kAudit)
    report.warning(kCapture, missed, "capture = auto in the configuration");
  else if (mode == "audit")
    report.failure(kCapture, missed, "remove the cause and restart auditd");
  else
    report.skipped(kCapture, "the plugin's state file does not have it");
}

void check_losses(const SystemProbe& /*probe*/, Deployment& deployment,
                  CheckReport& report) {
  if (!deployment.plugin || deployment.state.empty())
    return;
  std::vector<std::string> losses;
  for (const Loss& loss : kLossKeys)
    if (const uint64_t count = number(deployment, loss.key); count > 0)
      losses.push_back(fmt::format("{} {}", count, loss.text));
  if (losses.empty())
    report.ok(kLosses, "none");
  else
    report.warning(kLosses, fmt::format("{}", fmt::join(losses, ", ")),
                   "audisp-preload(8) explains each; run --check again to see "
                   "whether they grow");
  const uint64_t store = number(deployment, "errors store");
  const uint64_t deliver = number(deployment, "errors deliver");
  if (store == 0 && deliver == 0)
    report.ok(kErrors, "none");
  else
    report.warning(
        kErrors,
        fmt::format("{} of the database, {} of delivery; what is pending is "
                    "stored and sent when it works again",
                    store, deliver),
        "the checks of database, syslog and files below, and the log, have "
        "the reason");
}

}  // namespace preload
