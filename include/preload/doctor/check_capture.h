// SPDX-License-Identifier: Apache-2.0
// Checks of the capture mode: the one that the running plugin has attained, or
// what it could attain.
#pragma once

#include <map>
#include <string>

#include "preload/doctor/check.h"

namespace preload {

// systemd's RestrictRealtime for auditd.service, where there is systemd.
void check_realtime(const SystemProbe& probe, Deployment& deployment,
                    Findings& findings);
// Asks the running plugin for its state file and reads the rung there; without
// a plugin tries what it would try. Fills `state`.
void check_capture(const SystemProbe& probe, Deployment& deployment,
                   Findings& findings);
// What the running plugin says it lost or could not do.
void check_losses(const SystemProbe& probe, Deployment& deployment,
                  Findings& findings);

// The `key: value` lines of a state file (deliver/state_report.h).
[[nodiscard]] std::map<std::string, std::string> parse_state(
    const std::string& text);

}  // namespace preload
