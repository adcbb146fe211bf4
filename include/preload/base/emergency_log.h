// SPDX-License-Identifier: Apache-2.0
// The last message of a process that cannot use its log any more, because other
// threads hang or failed. (A crash is reported by audit's ANOM_ABEND record and
// by auditd.)
#pragma once

#include <string>
#include <string_view>

namespace preload {

// Where the message goes besides standard error. Before the first thread.
void set_emergency_log_socket(const std::string& syslog_socket);

// Writes one line, cut at 500 bytes, to standard error and syslog (facility
// daemon, severity err). Never blocks and never allocates.
void emergency_log(std::string_view text) noexcept;

}  // namespace preload
