// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "fake_probe.h"
#include "preload/doctor/check.h"

namespace preload {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class CheckAuditd : public testing::Test {
 protected:
  std::string line(const std::string& condition) {
    return line_of(fake_.check(), condition);
  }

  FakeProbe fake_;
};

TEST_F(CheckAuditd, TellsAContainerFromAKernelWithoutAudit) {
  fake_.probe.audit_status = []() -> Result<AuditStatus> {
    return fail("cannot", ECONNREFUSED);
  };
  EXPECT_THAT(line("kernel auditing"),
              AllOf(StartsWith("FAIL"), HasSubstr("container")));
  fake_.probe.audit_status = []() -> Result<AuditStatus> {
    return fail("cannot", EPROTONOSUPPORT);
  };
  EXPECT_THAT(line("kernel auditing"),
              AllOf(StartsWith("FAIL"), HasSubstr("CONFIG_AUDIT")));
  EXPECT_THAT(line("auditd running"), StartsWith("skip"));
}

TEST_F(CheckAuditd, WarnsOfLostRecords) {
  fake_.status.lost = 12;
  fake_.status.backlog_limit = 64;
  EXPECT_THAT(line("audit records lost"),
              AllOf(StartsWith("warn"), HasSubstr("12 since boot"),
                    HasSubstr("backlog limit 64"), HasSubstr("-b 8192")));
}

TEST_F(CheckAuditd, WantsAuditdAndNoOther) {
  fake_.status.pid = 0;
  EXPECT_THAT(line("auditd running"), StartsWith("FAIL"));
  fake_.status.pid = 102;
  EXPECT_THAT(line("auditd running"),
              AllOf(StartsWith("FAIL"), HasSubstr("is other")));
  fake_.status.pid = 4444;
  EXPECT_THAT(line("auditd running"),
              AllOf(StartsWith("FAIL"), HasSubstr("4444")));
}

TEST_F(CheckAuditd, SaysWhyAuditdMayHaveNoPlugin) {
  fake_.end_process(FakeProbe::kPlugin);
  EXPECT_THAT(line("plugin running"),
              AllOf(StartsWith("FAIL"), HasSubstr("gave up restarting"),
                    HasSubstr("not read the entry"),
                    HasSubstr("; restart auditd"), HasSubstr("journalctl")));
}

TEST_F(CheckAuditd, DoesNotTakeAnotherAuditdsChildForThePlugin) {
  fake_.end_process(FakeProbe::kPlugin);
  fake_.add_process(300, 200, "audisp-preload", "/usr/sbin/audisp-preload");
  fake_.add_process(301, FakeProbe::kAuditd, "audisp-preload", "/tmp/evil");
  EXPECT_THAT(line("plugin running"), StartsWith("FAIL"));
}

TEST_F(CheckAuditd, SeesThatTheProgramWasReplaced) {
  fake_.end_process(FakeProbe::kPlugin);
  fake_.add_process(FakeProbe::kPlugin, FakeProbe::kAuditd, "audisp-preload",
                    "/usr/sbin/audisp-preload (deleted)");
  EXPECT_THAT(line("plugin running"),
              AllOf(StartsWith("warn"), HasSubstr("has replaced"),
                    HasSubstr("restart auditd")));
}

TEST_F(CheckAuditd, ReadsTheSettingsOfTheAuditdThatRuns) {
  fake_.write("/private/auditd.conf",
              "# plugin_dir = /wrong\nPlugin_Dir = /private/plugins\n");
  fake_.write("/private/plugins/preload.conf",
              "active = yes\ndirection = out\npath = "
              "/usr/sbin/audisp-preload\ntype = always\nformat = string\n");
  fake_.end_process(FakeProbe::kAuditd);
  fake_.add_process(FakeProbe::kAuditd, 1, "auditd", "/usr/sbin/auditd",
                    std::string("auditd\0-f\0-c\0/private\0", 22));
  EXPECT_EQ(line("auditd's plugin entry"),
            "ok    auditd's plugin entry: /private/plugins/preload.conf");
}

TEST_F(CheckAuditd, ReportsAPluginThatHangs) {
  fake_.answers = false;
  const CheckReport report = fake_.check();
  EXPECT_THAT(line_of(report, "plugin answers"),
              AllOf(StartsWith("FAIL"), HasSubstr("pid 101 did not write")));
  // What it wrote before is still reported.
  EXPECT_THAT(line_of(report, "capture mode"), StartsWith("ok"));
}

TEST_F(CheckAuditd, IgnoresTheStateFileOfAnotherProcess) {
  fake_.answers = false;
  fake_.write_state(99);
  EXPECT_THAT(line("plugin answers"), StartsWith("FAIL"));
  EXPECT_THAT(line("capture mode"), StartsWith("skip"));
  fake_.probe.request_state = [&](pid_t) {
    fake_.write_state(99);
    return Status();
  };
  EXPECT_THAT(line("plugin answers"),
              AllOf(StartsWith("skip"), HasSubstr("is of pid 99")));
}

TEST_F(CheckAuditd, ReadsTheStateFileWithoutRoot) {
  fake_.probe.uid = 1000;
  fake_.probe.request_state = [](pid_t) {
    return Status(fail("cannot send SIGUSR1", EPERM));
  };
  EXPECT_THAT(line("capture mode"), StartsWith("ok"));
  EXPECT_EQ(line("plugin answers"), "");
  fake_.remove(FakeProbe::kState);
  EXPECT_THAT(line("plugin answers"),
              AllOf(StartsWith("skip"), HasSubstr("SIGUSR1")));
}

TEST_F(CheckAuditd, NotesThePluginsDomainWhereThereIsSelinux) {
  EXPECT_EQ(line("SELinux"), "");
  fake_.write("/sys/fs/selinux/enforce", "1", 0644);
  EXPECT_THAT(line("SELinux"),
              StartsWith("note  SELinux: enforcing, the plugin's domain is "
                         "not known"));
  fake_.write(fmt::format("/proc/{}/attr/current", FakeProbe::kPlugin),
              "system_u:system_r:auditd_t:s0\n", 0444);
  EXPECT_THAT(line("SELinux"),
              AllOf(StartsWith("note"), HasSubstr("domain is auditd_t"),
                    HasSubstr("policy/audisp_preload.te")));
  fake_.write("/sys/fs/selinux/enforce", "0", 0644);
  EXPECT_THAT(line("SELinux"), HasSubstr("permissive"));
}

}  // namespace
}  // namespace preload
