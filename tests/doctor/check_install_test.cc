// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "fake_probe.h"
#include "preload/doctor/check.h"

namespace preload {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kEntryFile = "/etc/audit/plugins.d/preload.conf";
constexpr const char* kProgram = "/usr/sbin/audisp-preload";

class CheckInstall : public testing::Test {
 protected:
  std::string line(const std::string& condition) {
    return line_of(fake_.check(), condition);
  }
  // The result for an entry with `lines` instead of the usual ones.
  std::string entry(const std::string& lines) {
    fake_.write(kEntryFile,
                "path = /usr/sbin/audisp-preload\ndirection = out\n"
                "type = always\n" +
                    lines);
    return line("auditd's plugin entry");
  }

  FakeProbe fake_;
};

TEST_F(CheckInstall, ReportsAConfigurationThatIsNotValid) {
  fake_.write(FakeProbe::kConfig, "\nexception = process.color:red\n");
  EXPECT_THAT(line("configuration"),
              AllOf(StartsWith("FAIL"), HasSubstr(".conf:2: exception")));
  fake_.write(FakeProbe::kConfig, "", 0666);
  EXPECT_THAT(line("configuration"),
              AllOf(StartsWith("FAIL"), HasSubstr("chmod go-w")));
  fake_.write(FakeProbe::kConfig, "", 0644);
  EXPECT_THAT(line("configuration"),
              AllOf(StartsWith("warn"), HasSubstr("chmod 0640")));
  fake_.remove(FakeProbe::kConfig);
  EXPECT_THAT(line("configuration"),
              AllOf(StartsWith("FAIL"), HasSubstr("No such file")));
}

TEST_F(CheckInstall, WantsTheEntryAsAuditdDoes) {
  EXPECT_THAT(entry("active = no\nformat = string\n"),
              AllOf(StartsWith("FAIL"), HasSubstr("set active = yes")));
  EXPECT_THAT(entry("active = yes\nformat = binary\n"),
              AllOf(StartsWith("FAIL"), HasSubstr("format = binary")));
  EXPECT_THAT(entry("active = yes\ndirection = in\nformat = string\n"),
              AllOf(StartsWith("FAIL"), HasSubstr("direction = in")));
  EXPECT_THAT(entry("active = yes\ntype = builtin\nformat = string\n"),
              AllOf(StartsWith("FAIL"), HasSubstr("type = builtin")));
  EXPECT_THAT(entry("active = yes\nformat = string\nargs = --config /x\n"),
              AllOf(StartsWith("warn"), HasSubstr("--check --config /x")));
  EXPECT_THAT(entry("ACTIVE = yes\n\n# x=y\nformat = string\n"),
              StartsWith("ok"));
  fake_.set_mode(kEntryFile, 0662);
  EXPECT_THAT(line("auditd's plugin entry"),
              AllOf(StartsWith("FAIL"), HasSubstr("chmod go-w")));
}

TEST_F(CheckInstall, IgnoresWhatAuditdIgnores) {
  fake_.write("/etc/audit/plugins.d/preload.conf.dpkg-old",
              "active = yes\npath = /usr/sbin/audisp-preload\n");
  EXPECT_THAT(line("auditd's plugin entry"), StartsWith("ok"));
}

TEST_F(CheckInstall, FindsTwoEntriesForOnePlugin) {
  fake_.write("/etc/audit/plugins.d/mine.conf",
              "active = no\npath = /usr/sbin/audisp-preload\n");
  EXPECT_THAT(line("auditd's plugin entry"), StartsWith("ok"));
  fake_.write("/etc/audit/plugins.d/mine.conf",
              "active = yes\npath = /usr/sbin/audisp-preload\n");
  EXPECT_THAT(line("auditd's plugin entry"),
              AllOf(StartsWith("FAIL"), HasSubstr("both start")));
}

TEST_F(CheckInstall, WantsTheBinaryAsAuditdDoes) {
  for (const unsigned mode : {0750U, 0755U, 0754U}) {
    fake_.set_mode(kProgram, mode);
    EXPECT_THAT(line("plugin binary"), StartsWith("ok")) << mode;
  }
  for (const unsigned mode : {0700U, 0640U, 0550U}) {
    fake_.set_mode(kProgram, mode);
    EXPECT_THAT(
        line("plugin binary"),
        AllOf(StartsWith("FAIL"), HasSubstr("auditd requires mode 0750"),
              HasSubstr("chmod 0750 /usr/sbin/audisp-preload")))
        << mode;
  }
  fake_.set_mode(kProgram, 0770);
  EXPECT_THAT(line("plugin binary"), HasSubstr("chmod go-w"));
  fake_.set_mode(kProgram, 0750);
  fake_.probe.root_uid += 1;
  EXPECT_THAT(line("plugin binary"), HasSubstr("chown root"));
  fake_.probe.root_uid -= 1;
  fake_.remove(kProgram);
  EXPECT_THAT(line("plugin binary"),
              AllOf(StartsWith("FAIL"), HasSubstr("does not exist")));
  std::filesystem::create_symlink("/bin/true", fake_.probe.at(kProgram));
  EXPECT_THAT(line("plugin binary"), HasSubstr("not a regular file"));
}

TEST_F(CheckInstall, ReportsTheUserOfTheRunningPlugin) {
  EXPECT_THAT(line("plugin's user"),
              AllOf(StartsWith("ok"), HasSubstr("audisp-preload (uid ")));
  fake_.more = "user: root (uid 0), capabilities sys_ptrace\n";
  EXPECT_THAT(line("plugin's user"),
              AllOf(StartsWith("warn"), HasSubstr("runs as root (uid 0), "),
                    HasSubstr("restart auditd")));
  fake_.write(FakeProbe::kConfig, "user = root\n");
  EXPECT_THAT(line("plugin's user"),
              StartsWith("ok    plugin's user: root (uid 0), capabilities"));
}

TEST_F(CheckInstall, WantsAUserThatExists) {
  fake_.end_process(FakeProbe::kPlugin);
  EXPECT_THAT(line("plugin's user"), StartsWith("ok"));
  fake_.write("/etc/passwd", "root:x:0:0::/:\n", 0644);
  EXPECT_THAT(line("plugin's user"),
              AllOf(StartsWith("FAIL"), HasSubstr("no user audisp-preload"),
                    HasSubstr("useradd --system")));
}

}  // namespace
}  // namespace preload
