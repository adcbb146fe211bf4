// SPDX-License-Identifier: Apache-2.0
// Where alerts go: syslog, a file of JSON lines, the audit trail.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/config.h"
#include "preload/base/log.h"
#include "preload/base/result.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/alert.h"

namespace preload {

// The relay's thread only. May block; a failure is tried again later.
class Sink {
 public:
  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  virtual ~Sink() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual Status deliver(const Alert& alert) = 0;
  // One document per matching exec (`ecs_events = all`): best effort, no
  // outbox behind it.
  [[nodiscard]] virtual Status deliver_event(const ExecEvent&) { return {}; }
  // SIGHUP: open files again.
  virtual void reopen() {}
};

using Sinks = std::vector<std::unique_ptr<Sink>>;

// The outputs that `config` asks for. Opens nothing: a sink that cannot be
// reached is tried again by the relay. By name:
//
//   syslog    text: the line of text_format.h. ecs: the document of
//             ecs_format.h. cee: the same with "@cee: " before it, which
//             rsyslog's mmjsonparse looks for. Alerts of severity low go as
//             notice, medium as warning, high as err and critical as crit.
//             Plain execs exist only as documents; they go as info and never
//             wait for the daemon.
//
//   ecs_file  Each document is one line, appended with one write. There is no
//             other writer. A line that a full disk cuts is completed, removed,
//             or ended before the next one, so a reader never finds two
//             documents in one line; a line that a crash cut is removed when
//             the file is opened. A file that does not exist is created with
//             mode 0640. One that exists must be a regular file, not a link,
//             owned by root or the user of the plugin, and not writable by
//             group or others.
//
//   audit     audit_text() of text_format.h (`ausearch -m ANOM_EXEC`).
[[nodiscard]] Sinks make_sinks(const Config& config, const Clock& clock);

[[nodiscard]] std::vector<std::string> sink_names(const Sinks& sinks);

// Writes the daemon's own log lines to syslog, facility daemon; never waits.
[[nodiscard]] LogSink log_sink(const std::string& socket);

}  // namespace preload
