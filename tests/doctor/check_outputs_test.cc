// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_outputs.h"

#include <gmock/gmock.h>

#include <array>

#include <gtest/gtest.h>

#include "fake_probe.h"

namespace preload {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class CheckOutputs : public testing::Test {
 protected:
  std::string line(const std::string& condition) {
    return line_of(fake_.examine(), condition);
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

TEST_F(CheckOutputs, WarnsWhenNobodyIsTold) {
  configure("syslog_format = off\n");
  EXPECT_THAT(line("syslog"),
              AllOf(StartsWith("warn"), HasSubstr("nobody is told")));
  configure("syslog_format = off\naudit_message = yes\n");
  EXPECT_EQ(line("syslog"), "ok    syslog: off");
}

TEST_F(CheckOutputs, LooksAtFilesOnlyWhenTheyAreConfigured) {
  EXPECT_EQ(line("ecs_file"), "");
  EXPECT_EQ(line("metrics_file"), "");
  configure("ecs_file = /var/log/p/ecs.json\nmetrics_file = /var/m/p.prom\n");
  for (const char* file : {"ecs_file", "metrics_file"})
    EXPECT_THAT(line(file), AllOf(StartsWith("FAIL"), HasSubstr("not there"),
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

}  // namespace
}  // namespace preload
