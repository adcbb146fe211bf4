// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/sinks.h"

#include <syslog.h>

#include <memory>
#include <string_view>
#include <utility>

#include "preload/base/text.h"
#include "preload/deliver/audit_sink.h"
#include "preload/deliver/file_sink.h"
#include "preload/deliver/host_info.h"
#include "preload/deliver/syslog_sink.h"

namespace preload {
namespace {

int syslog_severity(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return LOG_INFO;
    case LogLevel::kWarning:
      return LOG_WARNING;
    case LogLevel::kError:
      break;
  }
  return LOG_ERR;
}

}  // namespace

Sinks make_sinks(const Config& config, const Clock& clock) {
  Sinks sinks;
  const HostInfo host = gather_host_info();
  if (config.syslog_format != SyslogFormat::kOff)
    sinks.push_back(std::make_unique<SyslogSink>(
        SyslogSocket(config.syslog_socket, config.syslog_facility, clock),
        config.syslog_format, host, clock));
  if (config.ecs_file != "off")
    sinks.push_back(std::make_unique<FileSink>(config.ecs_file, host, clock));
  if (config.audit_message)
    sinks.push_back(std::make_unique<AuditSink>());
  return sinks;
}

std::vector<std::string> sink_names(const Sinks& sinks) {
  std::vector<std::string> names;
  for (const auto& sink : sinks)
    names.emplace_back(sink->name());
  return names;
}

LogSink log_sink(const std::string& socket) {
  static const SystemClock kClock;
  auto client = std::make_shared<SyslogSocket>(socket, LOG_DAEMON, kClock);
  return [client](LogLevel level, std::string_view line) {
    // A line that is not taken is on standard error as well.
    [[maybe_unused]] const Status sent =
        client->send(syslog_severity(level), escaped(line), SyslogWait::kNever);
  };
}

}  // namespace preload
