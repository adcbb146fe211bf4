// SPDX-License-Identifier: Apache-2.0
// Checks of the audit rules that the kernel has loaded.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "preload/doctor/audit_status.h"
#include "preload/doctor/check.h"

namespace preload {

// Execs of every ABI, and the watch of /etc/ld.so.preload.
void check_rules(const SystemProbe& probe, Deployment& deployment,
                 Findings& findings);

// What the rules make of the execs of one ABI. The kernel takes the first rule
// of the exit list that matches; a task rule comes before it, and what the
// exclude list names is thrown away after it.
struct ExecRules {
  bool execve = false;  // reported, but for what `never` has
  bool execveat = false;
  // Conditions under which some are reported, while not all are.
  std::vector<std::string> only;
  // Conditions under which execs are not reported.
  std::vector<std::string> never;
  // Records of an exec that are thrown away: EXECVE, CWD, EOE.
  std::vector<std::string> excluded;
  // A rule without conditions that keeps all from being reported.
  std::string blocked;
};
[[nodiscard]] ExecRules exec_rules(std::span<const AuditRule> rules,
                                   const ExecAbi& abi);

}  // namespace preload
