// SPDX-License-Identifier: Apache-2.0
// The audit rules that the kernel has loaded.
#include <fmt/format.h>
#include <linux/audit.h>

#include <algorithm>
#include <cerrno>

#include "preload/audit/assembler.h"
#include "preload/doctor/check.h"

namespace preload {
namespace {

constexpr const char* kRules = "exec rules";
constexpr const char* kWatch = "watch of /etc/ld.so.preload";
constexpr const char* kPreloadFile = "/etc/ld.so.preload";

using List = AuditRule::List;

bool concerns(const AuditRule& rule, const ExecAbi& abi, uint32_t syscall) {
  switch (rule.list) {
    case List::kTask:
      return !rule.always;
    case List::kExclude:
      return rule.excludes_exec;
    case List::kExit:
      return rule.path.empty() && (!rule.arch || *rule.arch == abi.arch) &&
             syscall < rule.syscalls.size() && rule.syscalls[syscall];
    default:
      return false;
  }
}

// What the rule lists have for one system call.
struct ExecRules {
  bool covered = false;             // by a rule without conditions
  std::vector<std::string> some;    // rules that report only some execs
  std::vector<std::string> hiding;  // rules that can keep execs unreported
  std::string all_hidden;           // a rule that keeps every exec unreported
};

// The kernel takes the first rule of the exit list that matches.
ExecRules find_exec_rules(const std::vector<AuditRule>& rules,
                          const ExecAbi& abi, uint32_t syscall) {
  ExecRules found;
  for (const AuditRule& rule : rules) {
    if (!concerns(rule, abi, syscall) ||
        (rule.list == List::kExit && found.covered))
      continue;
    const bool reports = rule.list == List::kExit && rule.always;
    if (reports && rule.conditions.empty())
      found.covered = true;
    else if (reports)
      found.some.push_back(rule.text());
    else if (rule.conditions.empty())
      found.all_hidden = rule.text();
    else
      found.hiding.push_back(rule.text());
  }
  return found;
}

std::string load_remedy(const Deployment& deployment) {
  if (deployment.audit && deployment.audit->enabled == 2)
    return fmt::format(
        "the rules are locked (-e 2): put {} in place and reboot", kRulesFile);
  return fmt::format("put {} in place and run augenrules --load", kRulesFile);
}

void check_abi(const Deployment& deployment,
               const std::vector<AuditRule>& rules, const ExecAbi& abi,
               CheckReport& report) {
  const std::string condition =
      fmt::format("{} for {} programs", kRules, abi.name);
  constexpr const char* kWhere =
      "find it in /etc/audit/rules.d (auditctl -l lists what is loaded, in "
      "order)";
  const ExecRules execve = find_exec_rules(rules, abi, abi.execve);
  const ExecRules execveat = find_exec_rules(rules, abi, abi.execveat);
  if (!execve.all_hidden.empty())
    return report.failure(
        condition,
        fmt::format("the rule \"{}\" keeps execs from being reported",
                    execve.all_hidden),
        fmt::format("{}, remove it, run augenrules --load; after task,never "
                    "restart the programs to be audited, or reboot",
                    kWhere));
  if (!execve.covered && !execve.some.empty())
    return report.warning(
        condition,
        fmt::format("only \"{}\" reports execs, the others are alerted "
                    "without auid, session and event id",
                    fmt::join(execve.some, "\", \"")),
        load_remedy(deployment));
  if (!execve.covered || !execveat.covered)
    return report.failure(
        condition,
        fmt::format("no rule for {} with arch={}",
                    execve.covered     ? "execveat"
                    : execveat.covered ? "execve"
                                       : "execve and execveat",
                    abi.name),
        load_remedy(deployment));
  if (!execve.hiding.empty())
    return report.warning(
        condition,
        fmt::format("\"{}\" can keep execs or their records from being "
                    "reported",
                    fmt::join(execve.hiding, "\", \"")),
        fmt::format("such execs are alerted as unaudited; if that is not "
                    "intended, {} and remove it",
                    kWhere));
  report.ok(condition);
}

void check_watch(const Deployment& deployment,
                 const std::vector<AuditRule>& rules, CheckReport& report) {
  constexpr uint32_t kChange = AUDIT_PERM_WRITE | AUDIT_PERM_ATTR;
  const bool loaded =
      std::any_of(rules.begin(), rules.end(), [](const AuditRule& rule) {
        return rule.always && rule.path == kPreloadFile &&
               (rule.permissions == 0 ||
                (rule.permissions & kChange) == kChange) &&
               std::find(rule.keys.begin(), rule.keys.end(), kPreloadFileKey) !=
                   rule.keys.end();
      });
  if (!loaded)
    return report.failure(
        kWatch,
        fmt::format("no rule for writing and attributes with the key {}: a "
                    "change is noticed up to 10 s later, without its author",
                    kPreloadFileKey),
        load_remedy(deployment));
  report.ok(kWatch);
}

}  // namespace

void check_rules(const SystemProbe& probe, Deployment& deployment,
                 CheckReport& report) {
  const auto rules = probe.audit_rules();
  if (!rules) {
    const int error = rules.error().code.value();
    return report.skipped(kRules,
                          probe.uid != 0 && (error == EPERM || error == EACCES)
                              ? "only root may ask"
                              : rules.error().message());
  }
  for (const ExecAbi& abi : probe.abis)
    check_abi(deployment, *rules, abi, report);
  check_watch(deployment, *rules, report);
}

}  // namespace preload
