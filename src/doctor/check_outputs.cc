// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_outputs.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "preload/deliver/syslog_sink.h"
#include "preload/deliver/syslog_socket.h"
#include "preload/doctor/check_privileges.h"

namespace preload {
namespace {

constexpr const char* kSyslog = "syslog";
constexpr const char* kEcsFile = "ecs_file";
constexpr const char* kMetricsFile = "metrics_file";
constexpr const char* kOff = "off";

// The directory must take new files; a file that is there must be safe.
Finding judge_output(const SystemProbe& probe, const Deployment& deployment,
                     const std::string& condition, const std::string& path) {
  const std::string directory = directory_of(path);
  if (probe.uid != 0 && ::access(probe.at(directory).c_str(), X_OK) != 0 &&
      errno == EACCES)
    return unknown(condition, "only root may look at " + directory);
  if (const int error = write_obstacle(probe, directory); error != 0) {
    if (error == ENOENT)
      return broken(condition, directory + " is not there",
                    fmt::format("install -d -m 2750 -o {} -g adm {}",
                                deployment.config.user, directory));
    return broken(condition,
                  fmt::format("{} is not writable: {}", directory,
                              std::generic_category().message(error)),
                  "remount it read-write, or name another directory");
  }
  const auto writer = plugin_uid(probe, deployment);
  struct stat status {};
  if (writer && ::stat(probe.at(directory).c_str(), &status) == 0 &&
      !may_write(status, *writer))
    return warning(condition,
                   fmt::format("{} is not writable for the plugin's user {}",
                               directory, deployment.config.user),
                   fmt::format("chown {0} {1}, or setfacl -m u:{0}:rwx {1}",
                               deployment.config.user, directory));
  if (::lstat(probe.at(path).c_str(), &status) != 0)
    return good(condition, path);
  if (!S_ISREG(status.st_mode))
    return broken(condition, path + " is not a regular file",
                  "put a regular file in its place, or remove it");
  if (const auto flaw = find_flaw(probe, path, status, writer))
    return broken(condition, flaw->what, flaw->mend);
  return good(condition, path);
}

}  // namespace

void check_syslog(const SystemProbe& probe, Deployment& deployment,
                  Findings& findings) {
  const Config& config = deployment.config;
  if (config.syslog_format == SyslogFormat::kOff) {
    if (config.ecs_file == kOff && !config.audit_message)
      findings.push_back(warning(
          kSyslog, "off, as are ecs_file and audit_message: nobody is told",
          "syslog_format = text in the configuration"));
    else
      findings.push_back(good(kSyslog, kOff));
    return;
  }
  SyslogSocket socket(probe.at(config.syslog_socket), std::string(kSyslogIdent),
                      config.syslog_facility, *probe.clock);
  const Status sent = socket.send(LOG_DEBUG, "--check: is syslog reachable?",
                                  SyslogWait::kBounded);
  if (sent)
    findings.push_back(good(kSyslog, config.syslog_socket));
  else
    findings.push_back(broken(
        kSyslog, sent.error().message(),
        "start rsyslogd or systemd-journald; without any, set syslog_format = "
        "off and ecs_file; alerts wait in the database until then"));
}

void check_files(const SystemProbe& probe, Deployment& deployment,
                 Findings& findings) {
  const Config& config = deployment.config;
  if (config.ecs_file != kOff)
    findings.push_back(
        judge_output(probe, deployment, kEcsFile, config.ecs_file));
  if (config.metrics_file == kOff)
    return;
  if (!config.metrics_file.ends_with(".prom"))
    findings.push_back(warning(kMetricsFile,
                               config.metrics_file +
                                   " does not end in .prom: node_exporter "
                                   "does not read it",
                               "give it a name that does"));
  else
    findings.push_back(
        judge_output(probe, deployment, kMetricsFile, config.metrics_file));
}

}  // namespace preload
