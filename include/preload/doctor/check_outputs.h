// SPDX-License-Identifier: Apache-2.0
// Checks of where alerts and metrics go.
#pragma once

#include "preload/doctor/check.h"

namespace preload {

// Sends one line of priority debug.
void check_syslog(const SystemProbe& probe, Deployment& deployment,
                  Findings& findings);
// `ecs_file` and `metrics_file`, where they are configured.
void check_files(const SystemProbe& probe, Deployment& deployment,
                 Findings& findings);

}  // namespace preload
