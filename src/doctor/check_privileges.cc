// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_privileges.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "preload/base/text.h"
#include "preload/sandbox/privileges.h"

namespace preload {
namespace {

constexpr const char* kUser = "plugin's user";
constexpr const char* kSelinux = "SELinux";
constexpr const char* kPolicyType = ":audisp_preload_exec_t";
constexpr const char* kAuditdsDomain = "auditd_t";

// The type of the running plugin's context; empty: none, or not known.
std::string domain_of_plugin(const SystemProbe& probe,
                             const Deployment& deployment) {
  if (!deployment.plugin)
    return "";
  const auto context = read_file(
      probe, fmt::format("/proc/{}/attr/current", deployment.plugin->pid));
  const auto parts = split(context.value_or(""), ':');
  return parts.size() >= 3 ? parts[2] : "";
}

}  // namespace

std::optional<uint32_t> plugin_uid(const SystemProbe& probe,
                                   const Deployment& deployment) {
  if (deployment.plugin)
    return deployment.plugin->uid;
  return uid_of(probe, deployment.config.user);
}

bool may_write(const struct stat& status, uint32_t uid) {
  if (uid == 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return true;
  return status.st_uid == uid && (status.st_mode & S_IWUSR) != 0;
}

int write_obstacle(const SystemProbe& probe, const std::string& path) {
  if (::access(probe.at(path).c_str(), W_OK) == 0)
    return 0;
  if (errno != EACCES)
    return errno;
  // The mount is asked after the mode.
  const auto space = probe.space(probe.at(path));
  return space && space->read_only ? EROFS : 0;
}

void check_user(const SystemProbe& probe, Deployment& deployment,
                Findings& findings) {
  const std::string& name = deployment.config.user;
  const auto uid = uid_of(probe, name);
  const auto& plugin = deployment.plugin;
  if (!uid && !plugin)
    findings.push_back(broken(
        kUser,
        fmt::format("/etc/passwd has no user {}: the plugin does not start",
                    name),
        create_user_remedy(name)));
  else if (uid && plugin && plugin->uid != *uid)
    findings.push_back(
        warning(kUser,
                fmt::format("the plugin runs as uid {}, not as {} (uid {})",
                            plugin->uid, name, *uid),
                kRestart));
  else if (name == "root")
    findings.push_back(
        note(kUser, "root, without most of its capabilities (user = root)"));
  else
    findings.push_back(
        good(kUser, uid ? fmt::format("{} (uid {})", name, *uid) : name));
}

void check_selinux(const SystemProbe& probe, Deployment& deployment,
                   Findings& findings) {
  const auto enforcing = read_file(probe, "/sys/fs/selinux/enforce");
  if (!enforcing ||
      ::access(probe.at(deployment.plugin_path).c_str(), F_OK) != 0)
    return;
  const std::string label =
      probe.selinux_label(probe.at(deployment.plugin_path));
  const bool labelled = label.find(kPolicyType) != std::string::npos;
  const std::string domain = domain_of_plugin(probe, deployment);
  const bool in_auditds = domain == kAuditdsDomain;
  if (labelled && !in_auditds)
    findings.push_back(good(kSelinux, domain.empty() ? label : domain));
  else if (!domain.empty() && !in_auditds)
    findings.push_back(note(kSelinux, "the plugin runs as " + domain));
  else if (trimmed(*enforcing) != "1")
    findings.push_back(
        note(kSelinux,
             "permissive; enforced, it would let the plugin open neither the "
             "database nor the process connector without the policy module"));
  else
    findings.push_back(broken(
        kSelinux,
        fmt::format("the plugin's file has the label {}, and {} auditd's "
                    "domain, which may open neither the database nor the "
                    "process connector",
                    label.empty() ? "none" : label,
                    in_auditds ? "it runs in" : "it would run in"),
        labelled ? kRestart
                 : "load the policy module, label the files, restart auditd: "
                   "the commands are at the top of "
                   "/usr/share/audisp-preload/policy/audisp_preload.te"));
}

}  // namespace preload
