// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_rules.h"

#include <fmt/format.h>
#include <linux/audit.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "preload/audit/assembler.h"

namespace preload {
namespace {

constexpr const char* kRules = "exec rules";
constexpr const char* kWatch = "watch of /etc/ld.so.preload";
constexpr const char* kPreloadFile = "/etc/ld.so.preload";

// Records of an exec event besides SYSCALL, without which there is none.
struct UsefulRecord {
  uint32_t type;
  const char* name;
};
constexpr std::array<UsefulRecord, 3> kUseful{
    {{AUDIT_EXECVE, "EXECVE"}, {AUDIT_CWD, "CWD"}, {AUDIT_EOE, "EOE"}}};

std::string joined(const std::vector<std::string>& conditions) {
  return fmt::format("{}", fmt::join(conditions, " and "));
}

// Conditions of a rule, a watched path among them.
std::vector<std::string> conditions_of(const AuditRule& rule) {
  std::vector<std::string> conditions = rule.conditions;
  if (!rule.path.empty())
    conditions.push_back("path=" + rule.path);
  if (rule.permissions != 0)
    conditions.push_back(fmt::format("perm={:#x}", rule.permissions));
  return conditions;
}

bool applies(const AuditRule& rule, const ExecAbi& abi, uint32_t syscall) {
  return (!rule.arch || *rule.arch == abi.arch) &&
         syscall < rule.syscalls.size() && rule.syscalls[syscall];
}

struct Outcome {
  bool reported = false;
  std::vector<std::string> only;
};

// Goes through the exit list for one system call.
Outcome follow(std::span<const AuditRule> rules, const ExecAbi& abi,
               uint32_t syscall, ExecRules& result) {
  Outcome outcome;
  for (const AuditRule& rule : rules) {
    if (rule.list != AuditRule::List::kExit || !applies(rule, abi, syscall))
      continue;
    const auto conditions = conditions_of(rule);
    if (conditions.empty()) {
      outcome.reported = rule.always;
      if (!rule.always)
        result.blocked = "a rule \"never,exit\"";
      return outcome;
    }
    if (!rule.always)
      result.never.push_back(joined(conditions));
    else if (rule.path.empty())  // watches are for their file alone
      outcome.only.push_back(joined(conditions));
  }
  return outcome;
}

bool contains(const std::vector<uint32_t>& types, uint32_t type) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

void look_at_excludes(std::span<const AuditRule> rules, ExecRules& result) {
  for (const AuditRule& rule : rules) {
    if (rule.list != AuditRule::List::kExclude)
      continue;
    const auto conditions = conditions_of(rule);
    const auto& types = rule.message_types;
    if (types.empty() || contains(types, AUDIT_SYSCALL)) {
      if (conditions.empty())
        result.blocked = "a rule \"exclude\" for msgtype=SYSCALL";
      else
        result.never.push_back(joined(conditions));
      continue;
    }
    for (const UsefulRecord& useful : kUseful)
      if (contains(types, useful.type))
        result.excluded.emplace_back(useful.name);
  }
}

void look_at_tasks(std::span<const AuditRule> rules, ExecRules& result) {
  for (const AuditRule& rule : rules) {
    if (rule.list != AuditRule::List::kTask || rule.always)
      continue;
    if (rule.conditions.empty())
      result.blocked = "a rule \"never,task\"";
    else
      result.never.push_back(joined(rule.conditions));
  }
}

std::string mend(const Deployment& deployment) {
  if (deployment.audit && deployment.audit->enabled == 2)
    return fmt::format(
        "the rules are locked (-e 2): put {} in place and reboot", kRulesFile);
  return fmt::format("put {} in place and run augenrules --load", kRulesFile);
}

Finding judge(const Deployment& deployment, const ExecAbi& abi,
              const ExecRules& found) {
  const std::string condition =
      fmt::format("{} for {} programs", kRules, abi.name);
  if (!found.blocked.empty())
    return broken(condition, found.blocked + " keeps execs from being reported",
                  "find it in /etc/audit/rules.d (auditctl -l shows all), "
                  "remove it, run augenrules --load; after task,never restart "
                  "what is to be seen, or reboot");
  if (!found.execve && !found.only.empty())
    return warning(condition,
                   fmt::format("only execs with {} are covered, so daemons "
                               "and other users' are told without auid, "
                               "session and event id",
                               fmt::join(found.only, " or ")),
                   mend(deployment));
  if (!found.execve || !found.execveat) {
    const char* lacking = found.execve     ? "no rule for execveat"
                          : found.execveat ? "no rule for execve"
                                           : "no rule for execve and execveat";
    return broken(condition, fmt::format("{} with arch={}", lacking, abi.name),
                  mend(deployment));
  }
  if (!found.never.empty())
    return warning(condition,
                   fmt::format("execs with {} are left out by a rule",
                               fmt::join(found.never, " or ")),
                   "they are told as unaudited; remove that rule from "
                   "/etc/audit/rules.d if this is not meant");
  if (!found.excluded.empty())
    return warning(condition,
                   fmt::format("a rule \"exclude\" throws away records of "
                               "type {}",
                               fmt::join(found.excluded, ", ")),
                   "what they tell is missing when an exec was not captured; "
                   "remove that rule from /etc/audit/rules.d");
  return good(condition);
}

Finding judge_watch(const Deployment& deployment,
                    std::span<const AuditRule> rules) {
  const auto watch =
      std::find_if(rules.begin(), rules.end(), [](const AuditRule& rule) {
        return rule.always && rule.path == kPreloadFile;
      });
  if (watch == rules.end())
    return broken(kWatch,
                  "there is none: a change is noticed up to 10 s later, and "
                  "not who made it",
                  mend(deployment));
  const auto& keys = watch->keys;
  if (std::find(keys.begin(), keys.end(), kPreloadFileKey) == keys.end())
    return broken(kWatch,
                  fmt::format("its key is not {}, by which the plugin knows it",
                              kPreloadFileKey),
                  mend(deployment));
  constexpr uint32_t kChange = AUDIT_PERM_WRITE | AUDIT_PERM_ATTR;
  if (watch->permissions != 0 && (watch->permissions & kChange) != kChange)
    return warning(kWatch, "it is not for writing and attributes (-p wa)",
                   mend(deployment));
  return good(kWatch);
}

}  // namespace

ExecRules exec_rules(std::span<const AuditRule> rules, const ExecAbi& abi) {
  ExecRules result;
  const Outcome execve = follow(rules, abi, abi.execve, result);
  const Outcome execveat = follow(rules, abi, abi.execveat, result);
  result.execve = execve.reported;
  result.execveat = execveat.reported;
  if (!execve.reported)
    result.only = execve.only;
  look_at_tasks(rules, result);
  look_at_excludes(rules, result);
  std::sort(result.never.begin(), result.never.end());
  const auto repeated = std::unique(result.never.begin(), result.never.end());
  result.never.erase(repeated, result.never.end());
  return result;
}

void check_rules(const SystemProbe& probe, Deployment& deployment,
                 Findings& findings) {
  const auto rules = probe.audit_rules();
  if (!rules) {
    const int error = rules.error().code.value();
    findings.push_back(
        unknown(kRules, probe.uid != 0 && (error == EPERM || error == EACCES)
                            ? "only root may ask"
                            : rules.error().message()));
    return;
  }
  for (size_t i = 0; i < probe.abis.size(); ++i) {
    const ExecAbi& abi = probe.abis[i];
    const bool used = i == 0 || probe.runs_32bit;
    if (used)
      findings.push_back(judge(deployment, abi, exec_rules(*rules, abi)));
    else
      findings.push_back(
          good(fmt::format("{} for {} programs", kRules, abi.name),
               "not needed, this kernel runs none"));
  }
  findings.push_back(judge_watch(deployment, *rules));
}

}  // namespace preload
