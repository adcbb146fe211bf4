// SPDX-License-Identifier: Apache-2.0
// The kernel's audit system, its rules, and auditd.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>

#include "preload/audit/assembler.h"
#include "preload/doctor/check.h"

namespace preload {
namespace {

constexpr const char* kRulesFile = "/etc/audit/rules.d/45-preload.rules";
constexpr const char* kPreloadFile = "/etc/ld.so.preload";

std::string load_remedy(const Deployment& deployment) {
  return deployment.audit && deployment.audit->enabled == 2
             ? fmt::format(
                   "the rules are locked (-e 2): put {} in place and reboot",
                   kRulesFile)
             : fmt::format("put {} in place and run augenrules --load",
                           kRulesFile);
}

bool covers(const AuditRule& rule, const ExecAbi& abi, uint32_t syscall) {
  return rule.reports && rule.path.empty() &&
         (!rule.arch || *rule.arch == abi.arch) &&
         syscall < rule.syscalls.size() && rule.syscalls[syscall];
}

}  // namespace

CheckResult check_kernel_audit(const Deployment& deployment) {
  if (!deployment.audit)
    return failure(
        deployment, deployment.audit.error(),
        deployment.audit.error().code.value() == ECONNREFUSED
            ? "run auditd and the plugin on the host, not in a container, and "
              "boot it without audit=0"
            : "a kernel with CONFIG_AUDIT and CONFIG_AUDITSYSCALL is needed");
  const audit_status& status = *deployment.audit;
  if (status.enabled == 0)
    return failure("off: no exec is reported",
                   "auditctl -e 1 for now; permanently: audit=1 on the "
                   "kernel's command line, and no -e 0 in /etc/audit/rules.d");
  if (status.lost > 0)
    return warning(fmt::format("{} records lost since boot, so events of execs "
                               "can be incomplete (backlog limit {})",
                               status.lost, status.backlog_limit),
                   "-b 8192 or more in /etc/audit/rules.d, augenrules --load; "
                   "then run --check again to see whether the number grows");
  return ok(status.enabled == 2 ? "on, rules locked" : "on");
}

// The order of the rules, and rules that exclude some execs, are the
// administrator's: --self-test shows what becomes of an exec.
CheckResult check_exec_rules(const Deployment& deployment) {
  if (!deployment.rules)
    return failure(deployment, deployment.rules.error(), "see kernel auditing");
  const auto any = [&](auto&& holds) {
    return std::any_of(deployment.rules->begin(), deployment.rules->end(),
                       holds);
  };
  if (any([](const AuditRule& rule) {
        return rule.silences && !rule.narrowed;
      }))
    return failure("the rule never,task keeps execs from being reported",
                   "remove it from /etc/audit/rules.d, run augenrules --load, "
                   "and restart the programs to be audited, or reboot");
  std::vector<std::string> names;
  std::string some;
  for (const ExecAbi& abi : deployment.abis) {
    for (const auto& [name, syscall] :
         {std::pair("execve", abi.execve), {"execveat", abi.execveat}}) {
      const auto reports = [&, nr = syscall](const AuditRule& rule) {
        return covers(rule, abi, nr);
      };
      if (!any(reports))
        return failure(
            fmt::format("no rule for {} with arch={}", name, abi.name),
            load_remedy(deployment));
      if (!any([&](const AuditRule& rule) {
            return reports(rule) && !rule.narrowed;
          }))
        some = fmt::format(
            "the rules for {} with arch={} report only some execs; the others "
            "are alerted without auid, session and event id",
            name, abi.name);
    }
    names.push_back(abi.name);
  }
  if (!some.empty())
    return warning(some, load_remedy(deployment));
  return ok(fmt::format("{}", fmt::join(names, ", ")));
}

CheckResult check_watch(const Deployment& deployment) {
  if (!deployment.rules)
    return failure(deployment, deployment.rules.error(), "see kernel auditing");
  for (const AuditRule& rule : *deployment.rules)
    if (rule.reports && rule.path == kPreloadFile &&
        std::find(rule.keys.begin(), rule.keys.end(), kPreloadFileKey) !=
            rule.keys.end())
      return ok("");
  return failure(fmt::format("no rule with the key {}: a change is noticed up "
                             "to 10 s later, without its author",
                             kPreloadFileKey),
                 load_remedy(deployment));
}

CheckResult check_auditd(const Deployment& deployment) {
  if (!deployment.audit)
    return skipped("the kernel did not report its pid");
  const uint32_t pid = deployment.audit->pid;
  if (pid == 0)
    return failure("no audit daemon is registered",
                   "start it: systemctl enable --now auditd, or auditd itself "
                   "where there is no systemd");
  if (deployment.receiver != "auditd")
    return failure(
        fmt::format("pid {}, which receives the audit records, is {}", pid,
                    deployment.receiver.empty() ? "not in this pid namespace"
                                                : deployment.receiver),
        "stop that program and start auditd: only auditd runs plugins");
  return ok(fmt::format("pid {}", pid));
}

}  // namespace preload
