// SPDX-License-Identifier: Apache-2.0
// Each condition against the deployment of a working deployment, broken in one
// way.
#include "preload/doctor/check.h"

#include <gmock/gmock.h>
#include <linux/audit.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "preload/base/metrics.h"
#include "preload/deliver/reports.h"
#include "preload/store/history_file.h"

namespace preload {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int64_t kNow = 1'795'484'879'068'000;

AuditRule exec_rule(const ExecAbi& abi) {
  AuditRule rule;
  rule.reports = true;
  rule.arch = abi.arch;
  rule.syscalls.set(abi.execve);
  rule.syscalls.set(abi.execveat);
  rule.keys = {"preload-exec"};
  return rule;
}

AuditRule watch_rule() {
  AuditRule rule;
  rule.reports = true;
  rule.syscalls.set();
  rule.path = "/etc/ld.so.preload";
  rule.keys = {"preload-file"};
  return rule;
}

Deployment healthy() {
  Deployment deployment;
  deployment.now_us = kNow;
  deployment.config_file = "/etc/audit/audisp-preload.conf";
  deployment.audit->enabled = 1;
  deployment.audit->pid = 100;
  deployment.abis = {{"b64", AUDIT_ARCH_X86_64, 59, 322},
                     {"b32", AUDIT_ARCH_I386, 11, 358}};
  deployment.rules =
      std::vector<AuditRule>{exec_rule(deployment.abis[0]),
                             exec_rule(deployment.abis[1]), watch_rule()};
  deployment.receiver = "auditd";
  deployment.entry_file = "/etc/audit/plugins.d/preload.conf";
  deployment.entry = {{"active", "yes"}, {"path", "/usr/sbin/audisp-preload"}};
  deployment.plugin = RunningPlugin{101, false, {}};
  deployment.state = {{"configuration", "/etc/audit/audisp-preload.conf"},
                      {"capture", "realtime"},
                      {"user", "audisp-preload (uid 990), capabilities none"}};
  deployment.free_bytes = uint64_t{10} << 30;
  deployment.history = HistoryState{schema_version(), 3, {}, {}};
  return deployment;
}

// The plugin has ended.
void end_plugin(Deployment& deployment) {
  deployment.plugin.reset();
  deployment.state.clear();
}

TEST(Check, FindsNothingWrongWithAHealthyDeployment) {
  const CheckReport report = check_report(healthy());
  EXPECT_FALSE(report.broken);
  EXPECT_EQ(report.lines.back(), "0 failed, 0 warnings, 0 skipped");
  EXPECT_EQ(report.lines.size(), kChecks.size() + 1);
  EXPECT_THAT(report.lines,
              Contains("ok    database healthy: schema version " +
                       std::to_string(schema_version()) + ", 3 terms"));
}

struct Fault {
  const char* name;
  void (*make)(Deployment&);
  const char* line;    // the line that reports it begins so
  const char* remedy;  // and has this in it
};

void PrintTo(const Fault& fault, std::ostream* out) {
  *out << fault.name;
}

class CheckFault : public testing::TestWithParam<Fault> {};

TEST_P(CheckFault, IsTheOneThatIsReported) {
  const Fault& fault = GetParam();
  Deployment deployment = healthy();
  fault.make(deployment);
  const CheckReport report = check_report(deployment);
  EXPECT_THAT(report.lines,
              Contains(AllOf(StartsWith(fault.line), HasSubstr(fault.remedy))));
  const bool failure = std::string_view(fault.line).starts_with("FAIL");
  EXPECT_EQ(report.broken, failure);
  EXPECT_THAT(
      report.lines.back(),
      StartsWith(failure ? "1 failed, 0 warnings" : "0 failed, 1 warning,"));
}

std::vector<Fault> audit_faults() {
  return {
      {"Container",
       [](Deployment& deployment) {
         deployment.audit = fail("cannot ask", ECONNREFUSED);
       },
       "FAIL  kernel auditing: cannot ask: ", "not in a container"},
      {"NoAudit",
       [](Deployment& deployment) {
         deployment.audit = fail("cannot ask", EPROTONOSUPPORT);
       },
       "FAIL  kernel auditing: cannot ask: ", "CONFIG_AUDIT"},
      {"AuditOff",
       [](Deployment& deployment) { deployment.audit->enabled = 0; },
       "FAIL  kernel auditing: off", "auditctl -e 1"},
      {"RecordsLost",
       [](Deployment& deployment) { deployment.audit->lost = 12; },
       "warn  kernel auditing: 12 records lost since boot", "-b 8192"},
      {"NoExecveat",
       [](Deployment& deployment) {
         deployment.rules->at(0).syscalls.reset(322);
       },
       "FAIL  exec rules: no rule for execveat with arch=b64",
       "put /etc/audit/rules.d/45-preload.rules in place"},
      {"NoB32",
       [](Deployment& deployment) {
         deployment.rules->erase(deployment.rules->begin() + 1);
       },
       "FAIL  exec rules: no rule for execve with arch=b32",
       "augenrules --load"},
      {"RulesLocked",
       [](Deployment& deployment) {
         deployment.audit->enabled = 2;
         deployment.rules->erase(deployment.rules->begin());
       },
       "FAIL  exec rules: no rule for execve with arch=b64", "reboot"},
      {"OnlySomeExecs",
       [](Deployment& deployment) { deployment.rules->at(0).narrowed = true; },
       "warn  exec rules: the rules for execveat with arch=b64 report only "
       "some execs",
       "45-preload.rules"},
      {"WatchIsNoExecRule",
       [](Deployment& deployment) {
         deployment.rules->at(0).path = "/usr/bin/sudo";
       },
       "FAIL  exec rules: no rule for execve with arch=b64", "45-preload"},
      {"NeverTask",
       [](Deployment& deployment) {
         AuditRule rule;
         rule.silences = true;
         deployment.rules->push_back(rule);
       },
       "FAIL  exec rules: the rule never,task", "augenrules --load"},
      {"WatchLacksKey",
       [](Deployment& deployment) {
         deployment.rules->back().keys = {"other"};
       },
       "FAIL  watch of /etc/ld.so.preload: no rule with the key preload-file",
       "45-preload.rules"},
      {"NoAuditd", [](Deployment& deployment) { deployment.audit->pid = 0; },
       "FAIL  auditd running: no audit daemon", "systemctl enable --now"},
      {"OtherDaemon",
       [](Deployment& deployment) {
         deployment.receiver = "other";
         end_plugin(deployment);
       },
       "FAIL  auditd running: pid 100, which receives the audit records, is "
       "other",
       "start auditd"},
  };
}

std::vector<Fault> plugin_faults() {
  return {
      {"ConfigurationNotValid",
       [](Deployment& deployment) {
         deployment.config = fail("/x.conf:2: exception: bad");
       },
       "FAIL  configuration: /x.conf:2: exception: bad", "correct it"},
      {"ConfigurationMissing",
       [](Deployment& deployment) {
         deployment.config = fail("cannot open", ENOENT);
       },
       "FAIL  configuration: cannot open", "install audisp-preload again"},
      {"UnsafeFile",
       [](Deployment& deployment) {
         deployment.flaw = Flaw{"/x has mode 0666", "chmod go-w /x"};
       },
       "FAIL  files and modes: /x has mode 0666", "; chmod go-w /x"},
      {"ProgramReplaced",
       [](Deployment& deployment) { deployment.plugin->replaced = true; },
       "warn  plugin running: pid 101 still runs", "restart auditd"},
      {"OtherConfiguration",
       [](Deployment& deployment) { deployment.state["configuration"] = "/x"; },
       "warn  plugin running: pid 101 uses /x", "--check --config /x"},
      {"OtherUser",
       [](Deployment& deployment) {
         deployment.state["user"] = "root (uid 0), all";
       },
       "warn  plugin running: pid 101 runs as root (uid 0)", "restart auditd"},
      {"NoEntry",
       [](Deployment& deployment) {
         end_plugin(deployment);
         deployment.entry.clear();
       },
       "FAIL  plugin running: /etc/audit/plugins.d/preload.conf cannot be read",
       "install audisp-preload again"},
      {"NotActive",
       [](Deployment& deployment) {
         end_plugin(deployment);
         deployment.entry["active"] = "no";
       },
       "FAIL  plugin running: /etc/audit/plugins.d/preload.conf is not active",
       "set active = yes"},
      {"AuditdGaveUp", end_plugin,
       "FAIL  plugin running: /etc/audit/plugins.d/preload.conf is active, but "
       "auditd (pid 100) has no such process",
       "journalctl"},
      {"Hangs",
       [](Deployment& deployment) {
         deployment.plugin->answered = fail("pid 101 did not write", ETIMEDOUT);
       },
       "FAIL  plugin answers: pid 101 did not write", "restart auditd"},
      {"NiceUnderSystemd",
       [](Deployment& deployment) {
         deployment.state["capture"] = "nice (refused: why)";
       },
       "FAIL  capture mode: nice (refused: why): short-lived", "systemctl cat"},
      {"NoDropIn",
       [](Deployment& deployment) {
         deployment.state["capture"] = "nice (refused)";
         deployment.drop_in = false;
       },
       "FAIL  capture mode: nice (refused)",
       "install the drop-in "
       "/usr/lib/systemd/system/auditd.service.d/50-audisp-preload.conf"},
      {"NiceWithoutSystemd",
       [](Deployment& deployment) {
         deployment.state["capture"] = "nice (refused)";
         deployment.systemd = false;
       },
       "warn  capture mode: nice (refused)", "CAP_SYS_NICE"},
      {"NiceAsConfigured",
       [](Deployment& deployment) {
         deployment.state["capture"] = "nice (configured)";
         deployment.config->realtime_priority = 0;
       },
       "warn  capture mode: nice", "remove realtime_priority"},
      {"NoConnector",
       [](Deployment& deployment) {
         deployment.state["capture"] = "audit (refused)";
       },
       "FAIL  capture mode: audit (refused)", "remove the cause"},
      {"AuditAsConfigured",
       [](Deployment& deployment) {
         deployment.state["capture"] = "audit (configured)";
         deployment.config->capture = CaptureChoice::kAudit;
       },
       "warn  capture mode: audit", "capture = auto"},
      {"Losses",
       [](Deployment& deployment) {
         deployment.state["drops ring_full"] = "3";
       },
       "warn  losses since start: 3 ring_full", "audisp-preload(8)"},
  };
}

std::vector<Fault> output_faults() {
  return {
      {"DatabaseRefuses",
       [](Deployment& deployment) {
         deployment.state["queue_entries held"] = "7";
       },
       "FAIL  database writable: the plugin holds 7 events", "the log"},
      {"ReadOnlyFileSystem",
       [](Deployment& deployment) {
         deployment.writable = fail("cannot write", EROFS);
       },
       "FAIL  database writable: cannot write: Read-only", "remount"},
      {"LittleSpace",
       [](Deployment& deployment) {
         deployment.free_bytes = uint64_t{100} << 20;
       },
       "warn  database writable: 100 MiB", "make room"},
      {"Damaged",
       [](Deployment& deployment) {
         deployment.history = fail("page 3 is damaged");
       },
       "FAIL  database healthy: page 3 is damaged", "restart auditd"},
      {"NewerDatabase",
       [](Deployment& deployment) { ++deployment.history->schema_version; },
       "FAIL  database healthy: it has schema version", "install the newer"},
      {"AlertsWait",
       [](Deployment& deployment) {
         deployment.history->pending = {1, kNow - 61'000'000};
       },
       "warn  alerts waiting: 1 wait for an output, the oldest since "
       "2026-11-24T01:46:58.068Z",
       "the log"},
      {"NoSyslog",
       [](Deployment& deployment) {
         deployment.syslog = fail("cannot connect", ENOENT);
       },
       "FAIL  syslog: cannot connect: No such file", "start rsyslogd"},
      {"NoOutput",
       [](Deployment& deployment) {
         deployment.config->syslog_format = SyslogFormat::kOff;
       },
       "warn  syslog: off, as are ecs_file and audit_message",
       "syslog_format = text"},
  };
}

std::string name_of(const testing::TestParamInfo<Fault>& info) {
  return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(Audit, CheckFault, testing::ValuesIn(audit_faults()),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Plugin, CheckFault, testing::ValuesIn(plugin_faults()),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Outputs, CheckFault,
                         testing::ValuesIn(output_faults()), name_of);

TEST(Check, TakesARuleWithoutArchForEveryAbi) {
  Deployment deployment = healthy();
  AuditRule rule = deployment.rules->at(0);
  rule.arch.reset();
  rule.syscalls.set();
  deployment.rules = std::vector<AuditRule>{rule, watch_rule()};
  EXPECT_EQ(check_exec_rules(deployment).what, "b64, b32");
}

TEST(Check, AWiderRuleAfterANarrowOneIsEnough) {
  Deployment deployment = healthy();
  deployment.rules->push_back(deployment.rules->at(0));
  deployment.rules->at(0).narrowed = true;
  EXPECT_EQ(check_exec_rules(deployment).status, CheckStatus::kOk);
}

TEST(Check, SaysWhatCouldBeAttainedWithoutAPlugin) {
  Deployment deployment = healthy();
  end_plugin(deployment);
  EXPECT_EQ(check_capture(deployment).what, "attainable: realtime");
  deployment.realtime = fail("SCHED_FIFO refused", EPERM);
  EXPECT_EQ(check_capture(deployment).status, CheckStatus::kWarning);
  deployment.drop_in = false;
  EXPECT_THAT(check_capture(deployment).remedy,
              HasSubstr("install the drop-in"));
  deployment.connector = fail("no connector here", ECONNREFUSED);
  EXPECT_EQ(check_capture(deployment).status, CheckStatus::kFailed);
  EXPECT_THAT(check_capture(deployment).remedy,
              HasSubstr("CONFIG_PROC_EVENTS"));
}

TEST(Check, SkipsWhatOnlyRootMayAsk) {
  Deployment deployment = healthy();
  end_plugin(deployment);
  deployment.root = false;
  deployment.config = fail("cannot open", EACCES);
  deployment.audit = fail("cannot ask", EPERM);
  deployment.rules = fail("cannot ask", EPERM);
  deployment.writable = fail("cannot write", EACCES);
  deployment.history = fail("cannot read", EACCES);
  const CheckReport report = check_report(deployment);
  EXPECT_FALSE(report.broken);
  EXPECT_EQ(report.lines.back(), "0 failed, 0 warnings, 13 skipped");
}

TEST(Check, ADatabaseThatIsNotThereYetIsNoFailure) {
  Deployment deployment = healthy();
  deployment.history = fail("/x is not there yet", ENOENT);
  EXPECT_EQ(check_healthy(deployment).status, CheckStatus::kSkipped);
}

TEST(Check, CountsOneAsOne) {
  Deployment deployment = healthy();
  deployment.history->terms = 1;
  EXPECT_THAT(check_healthy(deployment).what, testing::EndsWith(", 1 term"));
}

TEST(Check, ListsEachExceptionWithItsMatches) {
  Deployment deployment = healthy();
  deployment.config->exceptions = {{2, "process.name:stdbuf"},
                                   {3, "process.name:other\x1b"}};
  deployment.history->hits = {{"process.name:stdbuf", 12, kNow}};
  EXPECT_THAT(
      check_report(deployment).lines,
      AllOf(Contains("note  exception (line 2): process.name:stdbuf - 12 hits, "
                     "last 2026-11-24T01:47:59.068Z"),
            Contains("note  exception (line 3): process.name:other\\x1b - "
                     "never hit")));
}

// The lines are those of the real report: every reason that is looked for is
// one of them, and the mode comes back with its cause.
TEST(Check, UnderstandsWhatThePluginWrites) {
  Metrics metrics;
  for (const MetricInfo& info : metric_table())
    metrics.add(info.metric, 7);
  const std::string written =
      "capture: nice (SCHED_FIFO refused (why: because))\n";
  Deployment deployment = healthy();
  deployment.state = key_values(state_report(written, metrics.snapshot()), ':');
  EXPECT_THAT(check_capture(deployment).what,
              StartsWith("nice (SCHED_FIFO refused (why: because)): "));
  const std::string losses = check_losses(deployment).what;
  EXPECT_EQ(std::count(losses.begin(), losses.end(), '7'), 7) << losses;
  EXPECT_THAT(check_writable(deployment).what, HasSubstr("holds 7 events"));
}

TEST(KeyValues, AreReadAsAuditdDoes) {
  const KeyValues values = key_values(
      "# active = no\n\nactive = no\nActive = yes \n path=/a=b\nnothing\n",
      '=');
  EXPECT_THAT(values, testing::ElementsAre(testing::Pair("active", "yes"),
                                           testing::Pair("path", "/a=b")));
  EXPECT_THAT(key_values("Name:\ta:b\n", ':'),
              testing::ElementsAre(testing::Pair("name", "a:b")));
}

}  // namespace
}  // namespace preload
