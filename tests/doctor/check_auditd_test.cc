// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_auditd.h"

#include <gmock/gmock.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "fake_probe.h"

namespace preload {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class CheckAuditd : public testing::Test {
 protected:
  std::string line(const std::string& condition) {
    return line_of(fake_.examine(), condition);
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

TEST_F(CheckAuditd, WarnsOfLostRecordsAndShortBacklogs) {
  fake_.status.lost = 12;
  fake_.status.backlog_limit = 64;
  EXPECT_THAT(line("audit records lost"),
              AllOf(StartsWith("warn"), HasSubstr("12 since boot")));
  EXPECT_THAT(line("audit backlog"),
              AllOf(StartsWith("warn"), HasSubstr("64 records only")));
  fake_.status.backlog_limit = 8192;
  fake_.status.backlog = 8000;
  EXPECT_THAT(line("audit backlog"),
              AllOf(StartsWith("warn"), HasSubstr("8000 of 8192")));
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

TEST_F(CheckAuditd, TellsAPluginThatAuditdNeverReadFromOneGivenUp) {
  fake_.end_process(FakeProbe::kPlugin);
  EXPECT_THAT(line("plugin running"), HasSubstr("gave up restarting"));
  // auditd is older than the entry now.
  fake_.write("/proc/stat", "cpu 0\nbtime 1000\n");
  EXPECT_THAT(line("plugin running"),
              AllOf(StartsWith("FAIL"), HasSubstr("seems not to have read it"),
                    HasSubstr("restart auditd")));
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

}  // namespace
}  // namespace preload
