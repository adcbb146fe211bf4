// SPDX-License-Identifier: Apache-2.0
// Where alerts and metrics go.
#include <fmt/format.h>
#include <sys/stat.h>
#include <syslog.h>

#include <cerrno>
#include <string>

#include "preload/deliver/syslog_socket.h"
#include "preload/doctor/check.h"

namespace preload {
namespace {

constexpr const char* kSyslog = "syslog";
constexpr const char* kEcsFile = "ecs_file";
constexpr const char* kMetricsFile = "metrics_file";
constexpr const char* kOff = "off";

// False when `uid` surely cannot write. A group's permission may be that of an
// access control list: it counts as yes.
bool may_write(const struct stat& status, uint32_t uid) {
  return uid == 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
         (status.st_uid == uid && (status.st_mode & S_IWUSR) != 0);
}

// The directory must take new files; an existing file must be safe.
void check_file(const SystemProbe& probe, const Deployment& deployment,
                const std::string& condition, const std::string& path,
                CheckReport& report) {
  const std::string directory = directory_of(path);
  const std::string& user = deployment.config.user;
  struct stat status {};
  if (::stat(probe.at(directory).c_str(), &status) != 0) {
    if (errno == EACCES)
      return report.skipped(condition, "only root may examine " + directory);
    return report.failure(
        condition, directory + " does not exist",
        fmt::format("install -d -m 2750 -o {} -g adm {}", user, directory));
  }
  if (const auto space = probe.space(probe.at(directory));
      space && space->read_only)
    return report.failure(condition,
                          directory + " is on a read-only file system",
                          "remount it read-write, or name another directory");
  const auto uid = uid_of(probe, user);
  if (uid && !may_write(status, *uid))
    return report.warning(
        condition,
        fmt::format("{} is not writable for the plugin's user {}", directory,
                    user),
        fmt::format("chown {0} {1}, or setfacl -m u:{0}:rwx {1}", user,
                    directory));
  if (::lstat(probe.at(path).c_str(), &status) != 0)
    return report.ok(condition, path);
  if (const auto flaw = find_flaw(probe, path, status, uid))
    return report.failure(condition, flaw->what, flaw->remedy);
  report.ok(condition, path);
}

}  // namespace

void check_syslog(const SystemProbe& probe, Deployment& deployment,
                  CheckReport& report) {
  const Config& config = deployment.config;
  if (config.syslog_format == SyslogFormat::kOff) {
    if (config.ecs_file == kOff && !config.audit_message)
      return report.warning(
          kSyslog, "off, as are ecs_file and audit_message: alerts go nowhere",
          "syslog_format = text in the configuration");
    return report.ok(kSyslog, kOff);
  }
  SyslogSocket socket(probe.at(config.syslog_socket), config.syslog_facility,
                      *probe.clock);
  const Status sent = socket.send(LOG_DEBUG, "--check: is syslog reachable?",
                                  SyslogWait::kBounded);
  if (!sent)
    return report.failure(
        kSyslog, sent.error().message(),
        "start rsyslogd or systemd-journald; without any, set syslog_format = "
        "off and ecs_file; alerts wait in the database until then");
  report.ok(kSyslog, config.syslog_socket);
}

void check_files(const SystemProbe& probe, Deployment& deployment,
                 CheckReport& report) {
  const Config& config = deployment.config;
  if (config.ecs_file != kOff)
    check_file(probe, deployment, kEcsFile, config.ecs_file, report);
  if (config.metrics_file == kOff)
    return;
  if (!config.metrics_file.ends_with(".prom"))
    return report.warning(
        kMetricsFile,
        fmt::format("node_exporter does not read {}: it reads files that end "
                    "in .prom",
                    config.metrics_file),
        "give it such a name");
  check_file(probe, deployment, kMetricsFile, config.metrics_file, report);
}

}  // namespace preload
