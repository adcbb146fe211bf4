// SPDX-License-Identifier: Apache-2.0
// Checks of what was installed: configuration, auditd's entry, binary.
#pragma once

#include "preload/doctor/check.h"

namespace preload {

// Is the configuration valid? Fills `config`.
void check_configuration(const SystemProbe& probe, Deployment& deployment,
                         Findings& findings);
// auditd's entry for us in its plugins.d. Fills `entry_*` and `plugin_path`.
void check_entry(const SystemProbe& probe, Deployment& deployment,
                 Findings& findings);
// The binary, as auditd wants it.
void check_binary(const SystemProbe& probe, Deployment& deployment,
                  Findings& findings);

}  // namespace preload
