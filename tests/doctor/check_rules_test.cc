// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <linux/audit.h>

#include <vector>

#include <gtest/gtest.h>

#include "fake_probe.h"
#include "preload/doctor/check.h"

namespace preload {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

AuditRule never_rule(std::vector<std::string> conditions) {
  AuditRule rule = exec_rule(b64());
  rule.always = false;
  rule.conditions = std::move(conditions);
  return rule;
}

AuditRule list_rule(AuditRule::List list, bool always) {
  AuditRule rule;
  rule.list = list;
  rule.always = always;
  return rule;
}

class CheckRules : public testing::Test {
 protected:
  std::string line(const std::string& condition) {
    return line_of(fake_.check(), condition);
  }
  std::vector<AuditRule>& rules() { return fake_.rules; }

  FakeProbe fake_;
};

TEST_F(CheckRules, WantsExecveAndExecveatOfEachAbi) {
  rules()[0].syscalls.reset(b64().execveat);
  EXPECT_THAT(line("exec rules for b64"),
              StartsWith("FAIL  exec rules for b64 programs: no rule for "
                         "execveat with arch=b64; put /etc/audit/rules.d/"
                         "45-preload.rules in place"));
  rules()[0].syscalls.set(b64().execveat);
  rules()[0].syscalls.reset(b64().execve);
  EXPECT_THAT(line("exec rules for b64"), HasSubstr("no rule for execve with"));
  EXPECT_THAT(line("exec rules for b32"), StartsWith("ok"));
}

TEST_F(CheckRules, TakesARuleWithoutArchForEveryAbi) {
  AuditRule any = exec_rule(b64());
  any.arch.reset();
  any.syscalls.set();
  rules() = {any, watch_rule()};
  EXPECT_THAT(line("exec rules for b64"), StartsWith("ok"));
  EXPECT_THAT(line("exec rules for b32"), StartsWith("ok"));
}

TEST_F(CheckRules, WarnsOfRulesThatCoverOnlySomeUsers) {
  rules()[0].conditions = {"auid>=1000", "auid!=unset"};
  EXPECT_THAT(line("exec rules for b64"),
              AllOf(StartsWith("warn"),
                    HasSubstr("only \"always,exit auid>=1000 auid!=unset\" "
                              "reports execs")));
  // A wider rule after it makes it good.
  rules().push_back(exec_rule(b64()));
  EXPECT_THAT(line("exec rules for b64"), StartsWith("ok"));
}

TEST_F(CheckRules, DoesNotTakeWatchesForExecRules) {
  AuditRule watch = watch_rule();
  watch.path = "/usr/bin/sudo";
  watch.permissions = AUDIT_PERM_EXEC;
  rules()[0] = watch;
  EXPECT_THAT(line("exec rules for b64"), StartsWith("FAIL"));
}

TEST_F(CheckRules, FollowsTheOrderOfTheExitList) {
  rules().push_back(never_rule({}));
  EXPECT_THAT(line("exec rules for b64"), StartsWith("ok"));
  rules().insert(rules().begin(), never_rule({"exe=/usr/bin/make"}));
  EXPECT_THAT(line("exec rules for b64"),
              AllOf(StartsWith("warn"),
                    HasSubstr("\"never,exit exe=/usr/bin/make\" can keep "),
                    HasSubstr("auditctl -l")));
  rules().insert(rules().begin(), never_rule({}));
  EXPECT_THAT(line("exec rules for b64"),
              AllOf(StartsWith("FAIL"), HasSubstr("never,exit")));
  EXPECT_THAT(line("exec rules for b32"), StartsWith("ok"));
}

TEST_F(CheckRules, FindsTheTaskRuleThatSomeDistributionsShip) {
  rules().push_back(list_rule(AuditRule::List::kTask, false));
  for (const char* abi : {"b64", "b32"})
    EXPECT_THAT(line(std::string("exec rules for ") + abi),
                AllOf(StartsWith("FAIL"), HasSubstr("never,task")));
}

TEST_F(CheckRules, ReadsTheExcludeList) {
  AuditRule exclude = list_rule(AuditRule::List::kExclude, true);
  exclude.excludes_exec = true;
  exclude.conditions = {"msgtype=EXECVE"};
  rules().push_back(exclude);
  EXPECT_THAT(line("exec rules for b64"),
              AllOf(StartsWith("warn"),
                    HasSubstr("\"always,exclude msgtype=EXECVE\"")));
  rules().back().conditions.clear();
  EXPECT_THAT(line("exec rules for b64"),
              AllOf(StartsWith("FAIL"), HasSubstr("\"always,exclude\"")));
  rules().back().excludes_exec = false;
  EXPECT_THAT(line("exec rules for b64"), StartsWith("ok"));
}

TEST_F(CheckRules, SaysThatLockedRulesNeedAReboot) {
  fake_.status.enabled = 2;
  rules().clear();
  EXPECT_THAT(line("exec rules for b64"), HasSubstr("reboot"));
}

TEST_F(CheckRules, WantsTheWatchWithItsKey) {
  rules().back().keys = {"other"};
  EXPECT_THAT(line("watch of"),
              AllOf(StartsWith("FAIL"), HasSubstr("with the key preload-file"),
                    HasSubstr("45-preload.rules")));
  rules().back().keys = {"other", "preload-file"};
  EXPECT_THAT(line("watch of"), StartsWith("ok"));
  rules().back().permissions = AUDIT_PERM_READ;
  EXPECT_THAT(line("watch of"), StartsWith("FAIL"));
  rules().pop_back();
  EXPECT_THAT(line("watch of"), StartsWith("FAIL"));
}

}  // namespace
}  // namespace preload
