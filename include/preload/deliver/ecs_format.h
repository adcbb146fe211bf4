// SPDX-License-Identifier: Apache-2.0
// Documents of the Elastic Common Schema, each one line of JSON.
//
// An alert and a plain exec look alike to the published rule: event.category
// process, event.type start, event.action exec, process.env_vars. They differ
// in event.kind (alert, event). Both go to the data stream
// logs-endpoint.events.process-default, which the rule searches: with
// `ecs_events = alerts` the alerts are all it gets, and fleet-wide novelty is
// for it to judge; with `all` a value that is in both kinds is still one new
// term. (Rejected: logs-endpoint.alerts-*, whose documents Kibana promotes as
// Elastic Defend's own.)
//
// Two messages are no exec and do not match the rule: an entry of
// /etc/ld.so.preload (event.category file, action ld-so-preload) and a summary
// (event.action preload-summary).
//
// Strings are in the escaped form of base/text.h, so the text is UTF-8 whatever
// the bytes were. A string that is too long ends in
//
//   \...[N bytes]                   or, for an element of process.env_vars,
//   \...[N bytes, sha256=HEX]       of all of NAME=value, exact bytes
//
// which no escaped form contains: a backslash there comes before \ or x. What
// was cut or left out is named in audisp_preload.cut; the whole is in the
// database under audisp_preload.alert_id.
#pragma once

#include <cstdint>
#include <string>

#include "preload/correlate/exec_event.h"
#include "preload/deliver/host_info.h"
#include "preload/detect/alert.h"

namespace preload {

inline constexpr std::string_view kEcsVersion = "9.4.0";

// The most that a line of a file may have.
inline constexpr size_t kEcsFileBytes = 64UL * 1024;

// At most `limit` bytes (no less than 7900); the alert's own element comes
// first in process.env_vars and is never left out.
[[nodiscard]] std::string ecs_document(const Alert& alert, const HostInfo& host,
                                       size_t limit);

// One matching exec. `created_us` is when the plugin knew of it (wall clock).
[[nodiscard]] std::string ecs_document(const ExecEvent& event,
                                       int64_t created_us, const HostInfo& host,
                                       size_t limit);

}  // namespace preload
