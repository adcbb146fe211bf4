// SPDX-License-Identifier: Apache-2.0
// Where alerts go: the database and syslog.
#include <fmt/format.h>

#include <system_error>

#include "preload/base/clock.h"
#include "preload/base/text.h"
#include "preload/doctor/check.h"
#include "preload/store/history_file.h"

namespace preload {
namespace {

constexpr uint64_t kLittleSpace = uint64_t{256} << 20;
constexpr int64_t kPendingTooLongUs = 60 * kMicrosPerSecond;

}  // namespace

CheckResult check_writable(const Deployment& deployment) {
  const std::string directory = directory_of(deployment.settings().database);
  const uint64_t held =
      parse_unsigned(deployment.state_of("queue_entries held")).value_or(0);
  if (held > 0)
    return failure(fmt::format("the plugin holds {} events in memory, because "
                               "the database refuses them",
                               held),
                   "the log has the reason (such as a full disk); alerts are "
                   "sent all the same, and stored when it works again");
  if (!deployment.writable)
    return failure(
        deployment, deployment.writable.error(),
        fmt::format("install -d -m 2750 -o {} -g adm {}; for a read-only file "
                    "system see dmesg, then mount -o remount,rw",
                    deployment.settings().user, directory));
  const std::string left = fmt::format("{} MiB are left for {}",
                                       deployment.free_bytes >> 20, directory);
  if (deployment.free_bytes < kLittleSpace)
    return warning(left, "make room, or lower `retention`");
  return ok(left);
}

CheckResult check_healthy(const Deployment& deployment) {
  if (!deployment.history) {
    const Error& error = deployment.history.error();
    if (error.code == std::errc::no_such_file_or_directory)
      return skipped("it does not exist yet");
    return failure(deployment, error,
                   fmt::format("{}: at its start the plugin moves a damaged "
                               "database aside and creates a new one; move "
                               "away what is no database of audisp-preload",
                               kRestart));
  }
  const int64_t version = deployment.history->schema_version;
  if (version > schema_version())
    return failure(
        fmt::format("it has schema version {}, this program knows up to {}",
                    version, schema_version()),
        "install the newer audisp-preload again");
  return ok(fmt::format("schema version {}, {}", version,
                        counted(deployment.history->terms, "term")));
}

CheckResult check_pending(const Deployment& deployment) {
  if (!deployment.history)
    return skipped("see database healthy");
  const PendingAlerts& pending = deployment.history->pending;
  if (pending.count == 0)
    return ok("none");
  const std::string what =
      fmt::format("{} wait for an output, the oldest since {}", pending.count,
                  iso_time(pending.oldest_us));
  if (deployment.now_us - pending.oldest_us < kPendingTooLongUs)
    return ok(what);
  return warning(what,
                 "the log names the output that fails and why; the alerts are "
                 "sent when it works again");
}

CheckResult check_syslog(const Deployment& deployment) {
  const Config config = deployment.settings();
  if (config.syslog_format == SyslogFormat::kOff)
    return config.ecs_file == "off" && !config.audit_message
               ? warning(
                     "off, as are ecs_file and audit_message: alerts go "
                     "nowhere",
                     "syslog_format = text in the configuration")
               : ok("off");
  if (!deployment.syslog)
    return failure(
        deployment, deployment.syslog.error(),
        "start rsyslogd or systemd-journald; without any, set syslog_format = "
        "off and ecs_file; alerts wait in the database until then");
  return ok(config.syslog_socket);
}

}  // namespace preload
