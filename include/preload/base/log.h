// SPDX-License-Identifier: Apache-2.0
// The plugin's own log. Alerts do not go here; they have sinks of their own.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace preload {

// Values of spdlog.
enum class LogLevel { kInfo = 2, kWarning = 3, kError = 4 };

// Where lines go besides standard error, from the log's own thread. Set once,
// before the first line that must not be lost; may block.
using LogSink = std::function<void(LogLevel, std::string_view line)>;

// Starts the log's thread. A line costs its caller a copy into a bounded queue
// (1024 lines; the oldest go first when it is full).
void start_log(LogSink sink);
// Writes what is queued and stops the thread.
void stop_log();

// One line each. Any thread but the listeners; never blocks once the log is
// started, and writes straight to standard error before.
void log(LogLevel level, std::string_view line);
inline void log_info(std::string_view line) {
  log(LogLevel::kInfo, line);
}
inline void log_warning(std::string_view line) {
  log(LogLevel::kWarning, line);
}
inline void log_error(std::string_view line) {
  log(LogLevel::kError, line);
}

// For conditions that repeat: logs `line` at most once a minute per `key`, with
// the number of calls since the last line. Thread-safe.
void log_limited(LogLevel level, std::string_view key, std::string_view line);

// The last message of a process that cannot use its log any more, because other
// threads hang or failed: one line, cut at 500 bytes, to standard error and
// syslog (facility daemon, severity err). Never blocks and never allocates. (A
// crash is reported by audit's ANOM_ABEND record and by auditd.)
void emergency_log(std::string_view text) noexcept;
// Its syslog. Before the first thread.
void set_emergency_log_socket(const std::string& syslog_socket);

}  // namespace preload
