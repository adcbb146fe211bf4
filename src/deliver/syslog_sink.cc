// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/syslog_sink.h"

#include <syslog.h>

#include <utility>

#include "preload/deliver/ecs_format.h"
#include "preload/deliver/text_format.h"

namespace preload {

int syslog_severity(std::string_view severity) {
  if (severity == "critical")
    return LOG_CRIT;
  if (severity == "high")
    return LOG_ERR;
  return severity == "medium" ? LOG_WARNING : LOG_NOTICE;
}

SyslogSink::SyslogSink(SyslogSocket socket, SyslogFormat format, HostInfo host,
                       const Clock& clock)
    : socket_(std::move(socket)),
      format_(format),
      host_(std::move(host)),
      clock_(clock) {}

std::string_view SyslogSink::cookie() const {
  return format_ == SyslogFormat::kCee ? "@cee: " : "";
}

Status SyslogSink::deliver(const Alert& alert) {
  std::string text;
  if (format_ == SyslogFormat::kText) {
    text = text_line(alert);
  } else {
    text = cookie();
    text += ecs_document(alert, host_, kSyslogTextBytes - text.size());
  }
  return socket_.send(syslog_severity(alert.severity), text,
                      SyslogWait::kBounded);
}

Status SyslogSink::deliver_event(const ExecEvent& event) {
  if (format_ == SyslogFormat::kText)
    return {};
  std::string text(cookie());
  text += ecs_document(event, clock_.wall_us(), host_,
                       kSyslogTextBytes - text.size());
  return socket_.send(LOG_INFO, text, SyslogWait::kNever);
}

}  // namespace preload
