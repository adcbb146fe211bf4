// SPDX-License-Identifier: Apache-2.0
// --check of a real deployment: healthy, and broken as users break theirs.
#include <gmock/gmock.h>

#include <csignal>
#include <string>

#include <gtest/gtest.h>

#include "support/live_test.h"

namespace preload {
namespace {

using testing::HasSubstr;
using testing::Not;

class CheckLive : public LiveTest {};

TEST_F(CheckLive, PassesAHealthyDeploymentAndFindsWhatThenBreaks) {
  PrivateAuditd audit;
  audit.watch_preload_file("/etc/ld.so.preload");
  ASSERT_TRUE(
      eventually(10, [&] { return !content_of(audit.path("state")).empty(); }));
  const std::string healthy = audit.check();
  EXPECT_THAT(healthy, Not(HasSubstr("FAIL")));
  for (const char* line :
       {"ok    configuration", "ok    files and modes", "ok    exec rules",
        "ok    watch of /etc/ld.so.preload\n", "ok    auditd running: pid",
        "ok    plugin running: pid", "ok    plugin answers\n",
        "ok    capture mode: realtime", "ok    losses since start: none",
        "ok    database healthy: schema version", "ok    alerts waiting",
        "ok    syslog: ", "\n0 failed, "})
    EXPECT_THAT(healthy, HasSubstr(line));

  ::kill(audit.plugin_pid(), SIGSTOP);
  EXPECT_THAT(audit.check(), HasSubstr("FAIL  plugin answers: pid"));
  ::kill(audit.plugin_pid(), SIGCONT);
  audit.stop_syslog();
  EXPECT_THAT(audit.check(), HasSubstr("FAIL  syslog: "));
  audit.stop();
  const std::string stopped = audit.check();
  EXPECT_THAT(stopped, HasSubstr("FAIL  auditd running: no audit daemon"));
  EXPECT_THAT(stopped, HasSubstr("skip  plugin running"));
  EXPECT_THAT(stopped, HasSubstr("capture mode: attainable: "));
}

TEST_F(CheckLive, FindsRulesThatAreNotLoaded) {
  const PrivateAuditd audit({.rules = false});
  const std::string report = audit.check();
  EXPECT_THAT(report, HasSubstr("FAIL  exec rules: no rule for execve with "
                                "arch=b64; put /etc/audit/rules.d/"));
  EXPECT_THAT(report, HasSubstr("FAIL  watch of /etc/ld.so.preload"));
  audit.add_rule("-a always,exit -F arch=b64 -S execve,execveat -F auid=4711");
  audit.add_rule("-a always,exit -F arch=b32 -S execve,execveat");
  EXPECT_THAT(audit.check(), HasSubstr("warn  exec rules: the rules for"));
}

}  // namespace
}  // namespace preload
