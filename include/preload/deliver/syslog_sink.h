// SPDX-License-Identifier: Apache-2.0
// Alerts to the syslog daemon, in one of three forms.
#pragma once

#include <string>
#include <string_view>

#include "preload/base/clock.h"
#include "preload/base/config.h"
#include "preload/deliver/host_info.h"
#include "preload/deliver/sink.h"
#include "preload/deliver/syslog_socket.h"

namespace preload {

// The syslog severity of an alert: low is notice, medium warning, high err and
// critical crit, as <syslog.h> numbers them.
[[nodiscard]] int syslog_severity(std::string_view severity);

// text: the line of text_format.h. ecs: the document of ecs_format.h. cee: the
// same with "@cee: " before it, which rsyslog's mmjsonparse looks for. Plain
// execs (`ecs_events = all`) exist only as documents; they go as info and never
// wait for the daemon.
class SyslogSink final : public Sink {
 public:
  // `format` is not kOff.
  SyslogSink(SyslogSocket socket, SyslogFormat format, HostInfo host,
             const Clock& clock);

  [[nodiscard]] std::string_view name() const override { return "syslog"; }
  [[nodiscard]] Status deliver(const Alert& alert) override;
  [[nodiscard]] Status deliver_event(const ExecEvent& event) override;

 private:
  // "@cee: " or nothing.
  [[nodiscard]] std::string_view cookie() const;

  SyslogSocket socket_;
  SyslogFormat format_;
  HostInfo host_;
  const Clock& clock_;
};

}  // namespace preload
