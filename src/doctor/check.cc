// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check.h"

#include <cstdio>

#include "preload/base/exit_code.h"

namespace preload {

CheckReport run_checks(const SystemProbe& probe,
                       const std::string& config_file) {
  Deployment deployment;
  deployment.config_file = config_file;
  CheckReport report;
  for (const Check check : kChecks)
    check(probe, deployment, report);
  return report;
}

int check(const std::string& config_file) {
  const SystemClock clock;
  const CheckReport report = run_checks(this_system(clock), config_file);
  for (const CheckResult& result : report.results())
    std::puts(to_line(result).c_str());
  std::puts(report.summary().c_str());
  return report.count(CheckStatus::kFailed) > 0 ? kExitBroken : kExitGood;
}

}  // namespace preload
