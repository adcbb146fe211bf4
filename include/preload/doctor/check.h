// SPDX-License-Identifier: Apache-2.0
// --check: one line for each condition of a working deployment.
//
//   ok    <condition>[: <what>]
//   warn  <condition>: <what>; <remedy>    works, but not as well as it could
//   FAIL  <condition>: <what>; <remedy>    broken
//   skip  <condition>: <why it could not be checked>
//   note  <condition>: <what>              for information
//
// The tag is five columns wide, so `grep -v '^ok'` leaves what matters. Lines
// are escaped (base/text.h): values and paths come from outside.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "preload/doctor/deployment.h"

namespace preload {

enum class CheckStatus : uint8_t { kOk, kWarning, kFailed, kSkipped, kNote };

struct CheckResult {
  CheckStatus status = CheckStatus::kOk;
  std::string what;
  std::string remedy;
};

// Shorthands of the checks.
inline CheckResult ok(std::string what) {
  return {CheckStatus::kOk, std::move(what), {}};
}
inline CheckResult warning(std::string what, std::string remedy) {
  return {CheckStatus::kWarning, std::move(what), std::move(remedy)};
}
inline CheckResult failure(std::string what, std::string remedy) {
  return {CheckStatus::kFailed, std::move(what), std::move(remedy)};
}
inline CheckResult skipped(std::string why) {
  return {CheckStatus::kSkipped, std::move(why), {}};
}
// A failure; skipped if only root could do it.
[[nodiscard]] CheckResult failure(const Deployment& deployment,
                                  const Error& error, std::string remedy);

// "1 term", "2 terms".
std::string counted(auto number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

// A remedy.
inline constexpr const char* kRestart =
    "restart auditd (systemctl restart auditd; on Red Hat systems: service "
    "auditd restart)";

// check_audit.cc
[[nodiscard]] CheckResult check_kernel_audit(const Deployment& deployment);
[[nodiscard]] CheckResult check_exec_rules(const Deployment& deployment);
[[nodiscard]] CheckResult check_watch(const Deployment& deployment);
[[nodiscard]] CheckResult check_auditd(const Deployment& deployment);

// check_plugin.cc
[[nodiscard]] CheckResult check_configuration(const Deployment& deployment);
[[nodiscard]] CheckResult check_files(const Deployment& deployment);
[[nodiscard]] CheckResult check_plugin(const Deployment& deployment);
[[nodiscard]] CheckResult check_answer(const Deployment& deployment);
[[nodiscard]] CheckResult check_capture(const Deployment& deployment);
[[nodiscard]] CheckResult check_losses(const Deployment& deployment);

// check_outputs.cc
[[nodiscard]] CheckResult check_writable(const Deployment& deployment);
[[nodiscard]] CheckResult check_healthy(const Deployment& deployment);
[[nodiscard]] CheckResult check_pending(const Deployment& deployment);
[[nodiscard]] CheckResult check_syslog(const Deployment& deployment);

struct Check {
  const char* name;
  CheckResult (*run)(const Deployment&);
};
inline constexpr std::array<Check, 14> kChecks{{
    {"configuration", check_configuration},
    {"files and modes", check_files},
    {"kernel auditing", check_kernel_audit},
    {"exec rules", check_exec_rules},
    {"watch of /etc/ld.so.preload", check_watch},
    {"auditd running", check_auditd},
    {"plugin running", check_plugin},
    {"plugin answers", check_answer},
    {"capture mode", check_capture},
    {"losses since start", check_losses},
    {"database writable", check_writable},
    {"database healthy", check_healthy},
    {"alerts waiting", check_pending},
    {"syslog", check_syslog},
}};

// The lines that --check prints, without line ends; the last one counts.
struct CheckReport {
  std::vector<std::string> lines;
  bool broken = false;  // a condition failed
};
[[nodiscard]] CheckReport check_report(const Deployment& deployment);

// The action --check: prints the report. An ExitCode.
[[nodiscard]] int check(const std::string& config_file);

}  // namespace preload
