// SPDX-License-Identifier: Apache-2.0
// Checks of the kernel's audit system, of auditd, and of us under it.
#pragma once

#include <string>
#include <string_view>

#include "preload/doctor/check.h"

namespace preload {

// Is kernel auditing on, and does it keep up? Fills `audit`.
void check_kernel_audit(const SystemProbe& probe, Deployment& deployment,
                        Findings& findings);
// Is there an auditd? Fills `auditd`.
void check_auditd(const SystemProbe& probe, Deployment& deployment,
                  Findings& findings);
// Does auditd run us, or has it given up? Fills `plugin`.
void check_plugin(const SystemProbe& probe, Deployment& deployment,
                  Findings& findings);

// What auditd.conf, that of the running auditd, has for `key`.
[[nodiscard]] std::string auditd_setting(const SystemProbe& probe,
                                         const Deployment& deployment,
                                         std::string_view key,
                                         std::string_view otherwise);

}  // namespace preload
