// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/sinks.h"

#include <syslog.h>
#include <unistd.h>

#include <memory>
#include <string_view>
#include <utility>

#include "preload/base/text.h"
#include "preload/base/trusted_file.h"
#include "preload/deliver/audit_sink.h"
#include "preload/deliver/file_sink.h"
#include "preload/deliver/host_info.h"
#include "preload/deliver/metrics_file.h"
#include "preload/deliver/state_report.h"
#include "preload/deliver/syslog_sink.h"

namespace preload {
namespace {

constexpr unsigned kStateMode = 0644;

int severity_of(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return LOG_INFO;
    case LogLevel::kWarning:
      return LOG_WARNING;
    case LogLevel::kError:
      return LOG_ERR;
  }
  return LOG_ERR;
}

}  // namespace

std::vector<std::unique_ptr<Sink>> make_sinks(const Config& config,
                                              const Clock& clock) {
  std::vector<std::unique_ptr<Sink>> sinks;
  const HostInfo host = gather_host_info();
  if (config.syslog_format != SyslogFormat::kOff)
    sinks.push_back(std::make_unique<SyslogSink>(
        SyslogSocket(config.syslog_socket, std::string(kSyslogIdent),
                     config.syslog_facility, clock),
        config.syslog_format, host, clock));
  if (config.ecs_file != "off")
    sinks.push_back(std::make_unique<FileSink>(config.ecs_file, host, clock));
  if (config.audit_message)
    sinks.push_back(std::make_unique<AuditSink>());
  return sinks;
}

std::vector<std::string> sink_names(
    const std::vector<std::unique_ptr<Sink>>& sinks) {
  std::vector<std::string> names;
  for (const auto& sink : sinks)
    names.emplace_back(sink->name());
  return names;
}

LogSink log_sink(const std::string& socket) {
  static const SystemClock kClock;
  auto client = std::make_shared<SyslogSocket>(
      socket, std::string(kSyslogIdent), LOG_DAEMON, kClock);
  return [client](LogLevel level, std::string_view line) {
    // A log line that nobody takes is on standard error as well.
    [[maybe_unused]] const Status sent =
        client->send(severity_of(level), escaped(line), SyslogWait::kNever);
  };
}

void write_metrics(const Config& config, const Metrics& metrics) {
  if (config.metrics_file == "off")
    return;
  if (const auto written = write_metrics_file(config.metrics_file, metrics);
      !written)
    log_limited(LogLevel::kWarning, "metrics-file",
                "cannot write metrics_file: " + written.error().message());
}

void write_state_file(const Config& config, const std::string& config_file,
                      int64_t started_us, const ExecCapture& capture,
                      const StateLines& standing, const Metrics& metrics) {
  StateFacts facts;
  facts.pid = ::getpid();
  facts.started_us = started_us;
  facts.written_us = SystemClock().wall_us();
  facts.config_file = escaped(config_file);
  facts.capture_mode = to_string(capture.mode());
  facts.capture_reason = escaped(capture.reason());
  facts.more = standing;
  facts.more.emplace_back("database", escaped(config.database));
  const auto written =
      replace_file(config.state_file, state_report(facts, metrics), kStateMode);
  if (!written)
    log_limited(LogLevel::kWarning, "state-file",
                "cannot write the state file: " + written.error().message());
}

}  // namespace preload
