// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check.h"

#include <gmock/gmock.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "fake_probe.h"

namespace preload {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(Check, FindsNothingWrongWithAHealthyDeployment) {
  FakeProbe fake;
  const CheckReport report = fake.check();
  EXPECT_EQ(report.summary(), "0 failed, 0 warnings, 0 skipped");
  for (const char* condition :
       {"configuration",      "kernel auditing",
        "audit records lost", "exec rules for b64",
        "exec rules for b32", "watch of /etc/ld.so.preload",
        "auditd running",     "auditd's plugin entry",
        "plugin binary",      "plugin running",
        "plugin's user",      "plugin answers",
        "capture mode",       "losses since start",
        "errors since start", "database directory",
        "database file",      "space for the database",
        "database healthy",   "coverage today",
        "alerts waiting",     "syslog"})
    EXPECT_THAT(line_of(report, condition), StartsWith("ok    ")) << condition;
}

// Each of these breaks a deployment in the one way that it names.
struct Fault {
  const char* name;
  void (*make)(FakeProbe&);
  const char* line;    // the only failure begins so
  const char* remedy;  // and has this in it
};

class CheckFault : public testing::TestWithParam<Fault> {};

TEST_P(CheckFault, IsTheOneThatIsReported) {
  FakeProbe fake;
  GetParam().make(fake);
  const std::string lines = failed_lines(fake.check());
  EXPECT_THAT(lines, StartsWith(GetParam().line));
  EXPECT_THAT(lines, HasSubstr(GetParam().remedy));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1) << lines;
}

std::vector<Fault> faults() {
  return {
      {"RulesLackB32",
       [](FakeProbe& fake) { fake.rules.erase(fake.rules.begin() + 1); },
       "FAIL  exec rules for b32 programs: no rule for execve and execveat "
       "with "
       "arch=b32",
       "45-preload.rules"},
      {"AuditdLacksThePlugin",
       [](FakeProbe& fake) {
         fake.remove("/etc/audit/plugins.d/preload.conf");
         fake.end_process(FakeProbe::kPlugin);
       },
       "FAIL  auditd's plugin entry: no file in /etc/audit/plugins.d starts "
       "audisp-preload",
       "preload.conf again and restart auditd"},
      {"RealtimeDeniedBySystemd",
       [](FakeProbe& fake) {
         fake.remove(kDropIn);
         fake.capture = "nice (SCHED_FIFO refused: Operation not permitted)";
       },
       "FAIL  capture mode: nice (SCHED_FIFO refused: ",
       "/usr/lib/systemd/system/auditd.service.d/50-audisp-preload.conf"},
      {"DatabaseIsNotWritable",
       [](FakeProbe& fake) {
         fake.probe.space = [](const std::string&) {
           return Result<Space>(Space{1U << 30, true, true});
         };
       },
       "FAIL  space for the database: the file system of "
       "/var/lib/audisp-preload is read-only",
       "remount"},
      {"KernelAuditingIsOff", [](FakeProbe& fake) { fake.status.enabled = 0; },
       "FAIL  kernel auditing: off", "auditctl -e 1"},
      {"AuditdGaveUpRestarting",
       [](FakeProbe& fake) { fake.end_process(FakeProbe::kPlugin); },
       "FAIL  plugin running: /etc/audit/plugins.d/preload.conf is active, but "
       "auditd (pid 100) has no such process: it gave up restarting it "
       "(max_restarts = 7)",
       "journalctl"},
  };
}

INSTANTIATE_TEST_SUITE_P(All, CheckFault, testing::ValuesIn(faults()),
                         [](const auto& fault) {
                           return std::string(fault.param.name);
                         });

TEST(Check, SaysWhatItCannotCheckWithoutRoot) {
  FakeProbe fake;
  fake.probe.uid = 1000;
  fake.probe.audit_status = []() -> Result<AuditStatus> {
    return fail("cannot ask", EPERM);
  };
  fake.probe.audit_rules = []() -> Result<std::vector<AuditRule>> {
    return fail("cannot ask", EPERM);
  };
  const CheckReport report = fake.check();
  EXPECT_EQ(failed_lines(report), "");
  for (const char* condition :
       {"kernel auditing", "exec rules", "auditd running", "plugin running",
        "capture mode attainable"})
    EXPECT_THAT(line_of(report, condition), StartsWith("skip  ")) << condition;
}

TEST(Check, TellsTheRuleAndEachExceptionWithItsHits) {
  FakeProbe fake;
  fake.write(FakeProbe::kConfig,
             "history_window = 5d\n"
             "exception = process.name:stdbuf\n"
             "exception = process.env_vars:\"LD_PRELOAD=/a\\\\b\"\n");
  {
    auto store = Store::open(fake.probe.at(FakeProbe::kDatabase), fake.clock);
    ASSERT_TRUE(store.has_value());
    ASSERT_TRUE((*store)
                    ->add_exception_hits("process.name:stdbuf", 12,
                                         1'795'484'879'068'000)
                    .has_value());
  }
  const CheckReport report = fake.check();
  EXPECT_THAT(line_of(report, "rule"), HasSubstr("not seen on this machine "
                                                 "for 5d"));
  EXPECT_EQ(line_of(report, "exception (line 2)"),
            "note  exception (line 2): process.name:stdbuf - 12 hits, last "
            "2026-11-24T01:47:59.068Z");
  EXPECT_THAT(line_of(report, "exception (line 3)"), HasSubstr("never hit"));
}

TEST(Check, GoesOnWithTheDefaultsWhenTheConfigurationIsBroken) {
  FakeProbe fake;
  fake.write(FakeProbe::kConfig, "history_window = x\n");
  const CheckReport report = fake.check();
  EXPECT_THAT(line_of(report, "configuration"),
              testing::AllOf(StartsWith("FAIL  configuration: "),
                             HasSubstr(":1: history_window")));
  EXPECT_THAT(line_of(report, "database healthy"), StartsWith("ok"));
  EXPECT_EQ(line_of(report, "rule"), "");
}

}  // namespace
}  // namespace preload
