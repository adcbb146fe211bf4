// SPDX-License-Identifier: Apache-2.0
// Columns `detail` of table alert_exec and `facts` of table alert: an exec
// event and the facts of an alert as JSON objects, a member for each field,
// named like it. Members with the value of a default-constructed event are left
// out. Strings are in the escaped form of base/text.h, so nothing is lost.
//
// Rows of earlier versions are read too: a member that is absent has the
// default, and one that is unknown is ignored.
#pragma once

#include <string>
#include <string_view>

#include "preload/base/result.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/alert.h"

namespace preload {

[[nodiscard]] std::string to_json(const ExecEvent& event);
[[nodiscard]] std::string to_json(const AlertFacts& facts);

// The error names a member that is not what it should be.
[[nodiscard]] Result<ExecEvent> exec_event_from_json(std::string_view text);
[[nodiscard]] Result<AlertFacts> facts_from_json(std::string_view text);

}  // namespace preload
