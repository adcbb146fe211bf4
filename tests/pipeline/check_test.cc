// SPDX-License-Identifier: Apache-2.0
// --check as a user sees it, where no auditd runs the plugin.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "support/plugin_test.h"

namespace preload {
namespace {

using testing::HasSubstr;

class CheckAction : public PluginTest {
 protected:
  [[nodiscard]] Ran check() const {
    return run({binary_, "--config", dir_ / "conf", "--check"});
  }
};

TEST_F(CheckAction, ExaminesConfigurationDatabaseAndSyslog) {
  start_and_wait();
  ASSERT_EQ(stop(), 0);
  const Ran ran = check();
  EXPECT_EQ(WEXITSTATUS(ran.status), 1);
  EXPECT_THAT(ran.output, HasSubstr("ok    configuration: " + dir_ / "conf"));
  EXPECT_THAT(ran.output, HasSubstr("ok    database writable: "));
  EXPECT_THAT(ran.output, HasSubstr("ok    database healthy: schema version"));
  EXPECT_THAT(ran.output, HasSubstr("ok    syslog: " + dir_ / "log\n"));

  ::chmod((dir_ / "db").c_str(), 0770);
  EXPECT_THAT(check().output, HasSubstr("chmod go-w"));
  ::chmod((dir_ / "db").c_str(), 0750);
  std::filesystem::resize_file(dir_ / "db/history.db", 3 * 4096);
  EXPECT_THAT(check().output, HasSubstr("FAIL  database healthy: "));
}

TEST_F(CheckAction, FailsForAConfigurationThatIsNotValid) {
  std::ofstream(dir_ / "conf") << "\nexception = process.color:red\n";
  ::chmod((dir_ / "conf").c_str(), 0640);
  const Ran ran = check();
  EXPECT_EQ(WEXITSTATUS(ran.status), 1);
  EXPECT_THAT(ran.output, HasSubstr("FAIL  configuration: " + dir_ / "conf" +
                                    ":2: exception"));
}

}  // namespace
}  // namespace preload
