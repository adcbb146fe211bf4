// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_capture.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <thread>
#include <vector>

#include "preload/base/text.h"

namespace preload {
namespace {

constexpr const char* kRealtime = "real-time scheduling of auditd.service";
constexpr const char* kAnswers = "plugin answers";
constexpr const char* kCapture = "capture mode";
constexpr const char* kAttainable = "capture mode attainable";
constexpr const char* kLosses = "losses since start";
constexpr const char* kErrors = "errors since start";

constexpr const char* kSystemdMend =
    "remove the cause, then systemctl daemon-reload && systemctl restart "
    "auditd";

// A line of the state file that should be 0.
struct Trouble {
  const char* key;
  const char* words;
};
constexpr std::array<Trouble, 7> kTroubles{{
    {"drops connector_overrun", "exec notifications lost by the kernel"},
    {"drops ring_full", "execs without room in a listener's ring"},
    {"drops snapshot_truncated", "snapshots cut"},
    {"drops store_queue_full", "events the database was too slow for"},
    {"drops record_malformed", "malformed audit records"},
    {"drops record_overlong", "audit records too long"},
    {"drops event_cut", "audit events cut off"},
}};

uint64_t number(const Deployment& deployment, const std::string& key) {
  const auto found = deployment.state.find(key);
  return found == deployment.state.end()
             ? 0
             : parse_unsigned(found->second).value_or(0);
}

// The same file or not: the plugin replaces it.
bool same(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

bool wait_for_report(const SystemProbe& probe, const std::string& path,
                     const struct stat& before) {
  constexpr auto kStep = std::chrono::milliseconds(10);
  for (int64_t waited = 0; waited < probe.answer_ms; waited += kStep.count()) {
    struct stat now {};
    if (::stat(path.c_str(), &now) == 0 && !same(before, now))
      return true;
    std::this_thread::sleep_for(kStep);
  }
  return false;
}

// False when there is nothing to be read, with the reason in a finding.
bool read_state(const SystemProbe& probe, Deployment& deployment,
                Findings& findings) {
  const std::string& file = deployment.config.state_file;
  const std::string path = probe.at(file);
  struct stat before {};
  const bool there = ::stat(path.c_str(), &before) == 0;
  const Status asked = probe.ask_for_state(deployment.plugin->pid);
  if (!asked && !there) {
    findings.push_back(unknown(kCapture, asked.error().message()));
    return false;
  }
  const bool answered = asked && wait_for_report(probe, path, before);
  const auto text = read_file(probe, file);
  if (text)
    deployment.state = parse_state(*text);
  if (asked && !answered)
    findings.push_back(broken(
        kAnswers,
        fmt::format("pid {} did not write {} within {} ms",
                    deployment.plugin->pid, file, probe.answer_ms),
        "the machine is overloaded, or the plugin hangs: run --check again; "
        "if it stays so, " +
            std::string(kRestart)));
  else if (answered)
    findings.push_back(good(kAnswers));
  if (!text) {
    findings.push_back(unknown(kCapture, text.error().message()));
    return false;
  }
  if (deployment.state["pid"] != std::to_string(deployment.plugin->pid)) {
    findings.push_back(
        unknown(kCapture,
                fmt::format("{} is of pid {}, not of {}", file,
                            deployment.state["pid"], deployment.plugin->pid)));
    deployment.state.clear();
    return false;
  }
  return true;
}

// `stated` is a mode, with its reason in parentheses after it.
Finding judge_mode(const Deployment& deployment, const std::string& stated) {
  const size_t open = stated.find(" (");
  const std::string mode = stated.substr(0, open);
  const std::string reason =
      open == std::string::npos
          ? "no reason given"
          : stated.substr(open + 2, stated.size() - open - 3);
  if (mode == "realtime")
    return good(kCapture, "realtime, every exec before its first instruction");
  if (mode == "nice")
    return warning(kCapture, "nice, short-lived execs can be missed: " + reason,
                   deployment.config.realtime_priority == 0
                       ? "remove realtime_priority = 0 from the configuration"
                       : "allow real-time scheduling and restart auditd");
  if (mode == "audit" && deployment.config.capture == CaptureChoice::kAudit)
    return warning(kCapture, "audit, short-lived execs are missed: " + reason,
                   "capture = auto in the configuration");
  if (mode == "audit")
    return broken(kCapture, "audit, short-lived execs are missed: " + reason,
                  "remove the cause and restart auditd");
  return unknown(kCapture, "the state file does not tell it");
}

void try_out(const SystemProbe& probe, const Deployment& deployment,
             Findings& findings) {
  const Config& config = deployment.config;
  if (config.capture == CaptureChoice::kAudit) {
    findings.push_back(warning(kAttainable,
                               "audit, as configured: short-lived execs are "
                               "missed",
                               "capture = auto in the configuration"));
    return;
  }
  if (probe.uid != 0) {
    findings.push_back(unknown(kAttainable, "only root may try"));
    return;
  }
  if (const Status probed = probe.probe_connector(); !probed) {
    findings.push_back(
        broken(kAttainable, "audit only: " + probed.error().message(),
               "a kernel with CONFIG_PROC_EVENTS, and not in a container"));
    return;
  }
  const int priority = config.realtime_priority;
  if (priority == 0) {
    findings.push_back(
        warning(kAttainable, "nice, as configured (realtime_priority = 0)",
                "remove realtime_priority = 0 from the configuration"));
    return;
  }
  if (const int error = probe.try_realtime(priority); error != 0)
    findings.push_back(warning(
        kAttainable,
        fmt::format("nice: SCHED_FIFO refused: {}",
                    std::generic_category().message(error)),
        "CAP_SYS_NICE or RLIMIT_RTPRIO, and on CONFIG_RT_GROUP_SCHED kernels "
        "a cpu.rt_runtime_us for the cgroup"));
  else
    findings.push_back(good(kAttainable, "realtime"));
}

bool exists(const SystemProbe& probe, const std::string& path) {
  return ::access(probe.at(path).c_str(), F_OK) == 0;
}

}  // namespace

std::map<std::string, std::string> parse_state(const std::string& text) {
  std::map<std::string, std::string> lines;
  for (const std::string& line : split(text, '\n'))
    if (const size_t colon = line.find(": "); colon != std::string::npos)
      lines[line.substr(0, colon)] = line.substr(colon + 2);
  return lines;
}

void check_realtime(const SystemProbe& probe, Deployment& deployment,
                    Findings& findings) {
  if (!exists(probe, "/run/systemd/system") ||
      deployment.config.capture == CaptureChoice::kAudit ||
      deployment.config.realtime_priority == 0)
    return;
  const auto shown =
      probe.run_command({"systemctl", "show", "-p", "RestrictRealtime", "-p",
                         "NeedDaemonReload", "auditd.service"});
  if (!shown) {
    findings.push_back(unknown(kRealtime, shown.error().message()));
    return;
  }
  bool restricted = false;
  bool stale = false;
  for (const auto& [key, value] : key_values(*shown)) {
    restricted |= key == "restrictrealtime" && value == "yes";
    stale |= key == "needdaemonreload" && value == "yes";
  }
  const std::string what = "denied by systemd (RestrictRealtime=yes)";
  if (restricted && !exists(probe, kDropIn))
    findings.push_back(broken(
        kRealtime, what,
        fmt::format("install the drop-in {} (RestrictRealtime=no), then "
                    "systemctl daemon-reload && systemctl restart auditd",
                    kDropIn)));
  else if (restricted && stale)
    findings.push_back(broken(
        kRealtime,
        fmt::format("{}: systemd has not read the drop-in {}", what, kDropIn),
        "systemctl daemon-reload && systemctl restart auditd"));
  else if (restricted)
    findings.push_back(
        broken(kRealtime,
               fmt::format("{}: another drop-in overrules {}", what, kDropIn),
               fmt::format("see systemctl cat auditd; {}", kSystemdMend)));
  else
    findings.push_back(good(kRealtime, "allowed"));
}

void check_capture(const SystemProbe& probe, Deployment& deployment,
                   Findings& findings) {
  if (!deployment.plugin) {
    try_out(probe, deployment, findings);
    return;
  }
  if (read_state(probe, deployment, findings))
    findings.push_back(judge_mode(deployment, deployment.state["capture"]));
}

void check_losses(const SystemProbe& /*probe*/, Deployment& deployment,
                  Findings& findings) {
  if (deployment.state.empty())
    return;
  std::vector<std::string> losses;
  for (const Trouble& trouble : kTroubles)
    if (const uint64_t count = number(deployment, trouble.key); count > 0)
      losses.push_back(fmt::format("{} {}", count, trouble.words));
  if (losses.empty())
    findings.push_back(good(kLosses, "none"));
  else
    findings.push_back(warning(
        kLosses, fmt::format("{}", fmt::join(losses, ", ")),
        "audisp-preload(8) tells what each means; run --check again to see "
        "whether they grow"));
  const uint64_t store = number(deployment, "errors store");
  const uint64_t deliver = number(deployment, "errors deliver");
  if (store == 0 && deliver == 0)
    findings.push_back(good(kErrors, "none"));
  else
    findings.push_back(warning(
        kErrors,
        fmt::format("{} of the database, {} of delivery; what was held is "
                    "stored and sent when it works again",
                    store, deliver),
        "the checks of database, syslog and files below, and the log, tell "
        "why"));
}

}  // namespace preload
