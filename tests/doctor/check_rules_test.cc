// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_rules.h"

#include <gmock/gmock.h>
#include <linux/audit.h>

#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "fake_probe.h"

namespace preload {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
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
    return line_of(fake_.examine(), condition);
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

TEST_F(CheckRules, NeedsNoB32WhereTheKernelRunsNone) {
  rules().erase(rules().begin() + 1);
  fake_.probe.runs_32bit = false;
  EXPECT_EQ(line("exec rules for b32"),
            "ok    exec rules for b32 programs: not needed, this kernel runs "
            "none");
}

TEST_F(CheckRules, WarnsOfRulesThatCoverOnlySomeUsers) {
  rules()[0].conditions = {"auid>=1000", "auid!=unset"};
  EXPECT_THAT(line("exec rules for b64"),
              AllOf(StartsWith("warn"),
                    HasSubstr("only execs with auid>=1000 "
                              "and auid!=unset"),
                    HasSubstr("daemons")));
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
                    HasSubstr("execs with exe=/usr/bin/make are left out")));
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

TEST_F(CheckRules, LooksAtTheExcludeList) {
  AuditRule exclude = list_rule(AuditRule::List::kExclude, true);
  exclude.message_types = {AUDIT_EXECVE};
  rules().push_back(exclude);
  EXPECT_THAT(line("exec rules for b64"),
              AllOf(StartsWith("warn"), HasSubstr("records of type EXECVE")));
  rules().back().message_types = {AUDIT_SYSCALL};
  EXPECT_THAT(line("exec rules for b64"),
              AllOf(StartsWith("FAIL"), HasSubstr("msgtype=SYSCALL")));
  rules().back().conditions = {"exe=/bin/sh"};
  EXPECT_THAT(line("exec rules for b64"),
              AllOf(StartsWith("warn"), HasSubstr("execs with exe=/bin/sh")));
  rules().back().message_types = {AUDIT_PATH};
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
              AllOf(StartsWith("FAIL"), HasSubstr("its key is not "
                                                  "preload-file")));
  rules().back().keys = {"other", "preload-file"};
  EXPECT_THAT(line("watch of"), StartsWith("ok"));
  rules().back().permissions = AUDIT_PERM_READ;
  EXPECT_THAT(line("watch of"), StartsWith("warn"));
  rules().pop_back();
  EXPECT_THAT(line("watch of"), StartsWith("FAIL"));
}

TEST(ExecRules, TellsPartsApart) {
  AuditRule some = exec_rule(b64());
  some.conditions = {"uid=0"};
  const std::vector<AuditRule> rules{never_rule({"auid=unset"}), some,
                                     exec_rule(b32())};
  const ExecRules wide = exec_rules(rules, b64());
  EXPECT_FALSE(wide.execve);
  EXPECT_FALSE(wide.execveat);
  EXPECT_THAT(wide.only, ElementsAre("uid=0"));
  EXPECT_THAT(wide.never, ElementsAre("auid=unset"));
  const ExecRules narrow = exec_rules(rules, b32());
  EXPECT_TRUE(narrow.execve && narrow.execveat);
  EXPECT_THAT(narrow.never, IsEmpty());
}

}  // namespace
}  // namespace preload
