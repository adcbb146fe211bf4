// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <array>

#include <gtest/gtest.h>

#include "fake_probe.h"
#include "preload/doctor/check.h"

namespace preload {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class CheckOutputs : public testing::Test {
 protected:
  std::string line(const std::string& condition) {
    return line_of(fake_.check(), condition);
  }
  void configure(const std::string& text) {
    fake_.write(FakeProbe::kConfig, text);
  }

  FakeProbe fake_;
};

TEST_F(CheckOutputs, FindsASyslogDaemonThatIsNotThere) {
  EXPECT_THAT(line("syslog"), StartsWith("ok"));
  fake_.remove("/dev/log");
  EXPECT_THAT(line("syslog"),
              AllOf(StartsWith("FAIL"), HasSubstr("No such file"),
                    HasSubstr("start rsyslogd")));
}

TEST_F(CheckOutputs, WarnsWhenAlertsGoNowhere) {
  configure("syslog_format = off\n");
  EXPECT_THAT(line("syslog"),
              AllOf(StartsWith("warn"), HasSubstr("alerts go nowhere")));
  configure("syslog_format = off\naudit_message = yes\n");
  EXPECT_EQ(line("syslog"), "ok    syslog: off");
}

TEST_F(CheckOutputs, ChecksFilesOnlyWhenTheyAreConfigured) {
  EXPECT_EQ(line("ecs_file"), "");
  EXPECT_EQ(line("metrics_file"), "");
  configure("ecs_file = /var/log/p/ecs.json\nmetrics_file = /var/m/p.prom\n");
  for (const char* file : {"ecs_file", "metrics_file"})
    EXPECT_THAT(line(file),
                AllOf(StartsWith("FAIL"), HasSubstr("does not exist"),
                      HasSubstr("install -d")))
        << file;
  fake_.write("/var/log/p/other", "");
  fake_.write("/var/m/other", "");
  for (const char* file : {"ecs_file", "metrics_file"})
    EXPECT_THAT(line(file), StartsWith("ok")) << file;
}

TEST_F(CheckOutputs, WantsFilesThatOthersCannotChange) {
  configure("ecs_file = /var/log/p/ecs.json\n");
  fake_.write("/var/log/p/ecs.json", "", 0666);
  EXPECT_THAT(line("ecs_file"), HasSubstr("chmod go-w"));
  fake_.remove("/var/log/p/ecs.json");
  std::filesystem::create_directory(fake_.probe.at("/var/log/p/ecs.json"));
  EXPECT_THAT(line("ecs_file"), HasSubstr("not a regular file"));
}

TEST_F(CheckOutputs, WantsTheNameThatNodeExporterReads) {
  fake_.write("/var/m/other", "");
  configure("metrics_file = /var/m/preload.txt\n");
  EXPECT_THAT(line("metrics_file"),
              AllOf(StartsWith("warn"), HasSubstr(".prom")));
}

TEST_F(CheckOutputs, WantsADirectoryThatThePluginsUserCanWrite) {
  fake_.write("/etc/passwd", "somebody:x:4711:1::/:\n", 0644);
  configure("user = somebody\nmetrics_file = /var/m/p.prom\n");
  fake_.write("/var/m/other", "");
  fake_.set_mode("/var/m", 0755);
  EXPECT_THAT(line("metrics_file"),
              AllOf(StartsWith("warn"), HasSubstr("user somebody"),
                    HasSubstr("setfacl -m u:somebody:rwx /var/m")));
  // Possibly the mask of an access control list.
  fake_.set_mode("/var/m", 0775);
  EXPECT_THAT(line("metrics_file"), StartsWith("ok"));
  fake_.probe.space = [](const std::string&) {
    return Result<Space>(Space{1U << 30, true, true});
  };
  EXPECT_THAT(line("metrics_file"),
              AllOf(StartsWith("FAIL"), HasSubstr("read-only")));
}

}  // namespace
}  // namespace preload
