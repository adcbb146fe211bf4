// SPDX-License-Identifier: Apache-2.0
// Checks of the database and of what it tells, and the rule in words.
#pragma once

#include "preload/doctor/check.h"

namespace preload {

// Owner, mode, space: can the plugin write, and others not?
void check_database_files(const SystemProbe& probe, Deployment& deployment,
                          Findings& findings);
// Schema and content, coverage of today, alerts that wait for a sink.
void check_database(const SystemProbe& probe, Deployment& deployment,
                    Findings& findings);
// The effective rule, and each exception with its hits.
void tell_rule(const SystemProbe& probe, Deployment& deployment,
               Findings& findings);

}  // namespace preload
