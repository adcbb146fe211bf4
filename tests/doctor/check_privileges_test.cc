// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_privileges.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "fake_probe.h"

namespace preload {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class CheckPrivileges : public testing::Test {
 protected:
  std::string line(const std::string& condition) {
    return line_of(fake_.examine(), condition);
  }

  FakeProbe fake_;
};

TEST_F(CheckPrivileges, WantsItsOwnDomainWhereSelinuxEnforces) {
  EXPECT_EQ(line("SELinux"), "");
  fake_.write("/sys/fs/selinux/enforce", "0", 0644);
  fake_.label = "system_u:object_r:bin_t:s0";
  EXPECT_THAT(line("SELinux"),
              AllOf(StartsWith("note"), HasSubstr("permissive")));
  fake_.write("/sys/fs/selinux/enforce", "1", 0644);
  EXPECT_THAT(line("SELinux"),
              AllOf(StartsWith("FAIL"), HasSubstr("has the label system_u:"),
                    HasSubstr("it would run in auditd's"),
                    HasSubstr("policy/audisp_preload.te")));
  const std::string context =
      fmt::format("/proc/{}/attr/current", FakeProbe::kPlugin);
  fake_.write(context, "system_u:system_r:auditd_t:s0\n", 0444);
  fake_.label.clear();
  EXPECT_THAT(line("SELinux"),
              AllOf(StartsWith("FAIL"), HasSubstr("label none"),
                    HasSubstr("it runs in auditd's")));
  // Loaded and labelled, but it runs since before.
  fake_.label = "system_u:object_r:audisp_preload_exec_t:s0";
  EXPECT_THAT(line("SELinux"),
              AllOf(StartsWith("FAIL"), HasSubstr("restart auditd"),
                    Not(HasSubstr("audisp_preload.te"))));
  fake_.write(context, "system_u:system_r:audisp_preload_t:s0\n", 0444);
  EXPECT_THAT(line("SELinux"), StartsWith("ok    SELinux: audisp_preload_t"));
  // A site's own policy.
  fake_.label = "system_u:object_r:bin_t:s0";
  fake_.write(context, "system_u:system_r:ours_t:s0\n", 0444);
  EXPECT_THAT(line("SELinux"), StartsWith("note  SELinux"));
  fake_.end_process(FakeProbe::kPlugin);
  fake_.label = "system_u:object_r:audisp_preload_exec_t:s0";
  EXPECT_THAT(line("SELinux"), StartsWith("ok"));
}

TEST_F(CheckPrivileges, TellsTheUser) {
  EXPECT_THAT(line("plugin's user"),
              AllOf(StartsWith("ok"), HasSubstr("audisp-preload (uid ")));
  fake_.write("/etc/passwd", "audisp-preload:x:4711:1::/:\n", 0644);
  EXPECT_THAT(line("plugin's user"),
              AllOf(StartsWith("warn"), HasSubstr("not as audisp-preload"),
                    HasSubstr("restart auditd")));
  fake_.end_process(FakeProbe::kPlugin);
  EXPECT_THAT(line("plugin's user"), StartsWith("ok"));
  fake_.write("/etc/passwd", "root:x:0:0::/:\n", 0644);
  EXPECT_THAT(line("plugin's user"),
              AllOf(StartsWith("FAIL"), HasSubstr("no user audisp-preload"),
                    HasSubstr("useradd --system")));
  fake_.write(FakeProbe::kConfig, "user = root\n");
  EXPECT_THAT(line("plugin's user"), StartsWith("note"));
}

TEST_F(CheckPrivileges, TellsWhatTheUserCannotWrite) {
  fake_.write("/etc/passwd", "nobody-else:x:4711:1::/:\n", 0644);
  fake_.write(FakeProbe::kConfig,
              "user = nobody-else\nmetrics_file = /var/m/p.prom\n");
  fake_.write("/var/m/other", "");
  fake_.set_mode("/var/m", 0755);
  fake_.end_process(FakeProbe::kPlugin);
  EXPECT_THAT(line("metrics_file"),
              AllOf(StartsWith("warn"), HasSubstr("user nobody-else"),
                    HasSubstr("setfacl -m u:nobody-else:rwx /var/m")));
  // Perhaps the mask of an access control list.
  fake_.set_mode("/var/m", 0775);
  EXPECT_THAT(line("metrics_file"), StartsWith("ok"));
}

}  // namespace
}  // namespace preload
