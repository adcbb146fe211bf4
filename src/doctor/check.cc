// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "preload/base/exit_code.h"
#include "preload/doctor/check_auditd.h"
#include "preload/doctor/check_capture.h"
#include "preload/doctor/check_history.h"
#include "preload/doctor/check_install.h"
#include "preload/doctor/check_outputs.h"
#include "preload/doctor/check_privileges.h"
#include "preload/doctor/check_rules.h"

namespace preload {
namespace {

constexpr std::array<Check, 17> kChecks{
    check_configuration,  check_kernel_audit, check_rules,
    check_auditd,         check_entry,        check_binary,
    check_plugin,         check_selinux,      check_user,
    check_realtime,       check_capture,      check_losses,
    check_database_files, check_database,     check_syslog,
    check_files,          tell_rule,
};

}  // namespace

std::span<const Check> checks() {
  return kChecks;
}

Findings examine(const SystemProbe& probe, const std::string& config_file) {
  Deployment deployment;
  deployment.config_file = config_file;
  Findings findings;
  for (const Check check : checks())
    check(probe, deployment, findings);
  return findings;
}

int check(const std::string& config_file) {
  const SystemClock clock;
  const Findings findings = examine(this_system(clock), config_file);
  for (const Finding& finding : findings)
    std::puts(to_line(finding).c_str());
  const auto count = [&](Health health) {
    return std::count_if(findings.begin(), findings.end(),
                         [&](const Finding& f) { return f.health == health; });
  };
  std::printf("%td broken, %td to be improved, %td not looked at\n",
              count(Health::kBroken), count(Health::kWarning),
              count(Health::kUnknown));
  return any_broken(findings) ? kExitBroken : kExitGood;
}

}  // namespace preload
