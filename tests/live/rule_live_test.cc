// SPDX-License-Identifier: Apache-2.0
// The rule on this machine's kernel: caps, exceptions, learning, the window,
// terms of several fields, and the doors besides the environment.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/live_test.h"

namespace preload {
namespace {

// A variable that no other program of this machine sets, where a count must be
// exact.
constexpr const char* kOwnVariable = "capture_env_vars = PRELOAD_LIVE_TEST\n";

void sleep_seconds(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

// A program that runs until the end of the scope.
class Running {
 public:
  explicit Running(const std::vector<std::string>& env)
      : pid_(spawn({"/bin/sleep", "120"}, env)) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait_for(pid_);
    }
  }

 private:
  pid_t pid_;
};

// The number after `key=` in a message.
long number_in(const std::string& message, const std::string& key) {
  std::smatch found;
  return std::regex_search(message, found, std::regex(key + "=([0-9]+)"))
             ? std::stol(found[1])
             : -1;
}

class RuleLive : public LiveTest {};

TEST_F(RuleLive, WhatIsOverTheCapIsKeptAndSummedUpOnce) {
  const PrivateAuditd audit(
      {.configuration =
           std::string(kOwnVariable) + "max_alerts = 5\ninterval = 2s\n"});
  // One user who is not root may take half; root has it all.
  const std::string login = content_of("/proc/self/loginuid");
  const int most = login == "4294967295" || login == "0" ? 5 : 3;

  ASSERT_TRUE(run({test_program("storm"), "12", "1", "PRELOAD_LIVE_TEST=cap",
                   "/bin/true"})
                  .good());
  const std::string states =
      "SELECT state, count(*) FROM recent_alerts WHERE value LIKE 'cap%' "
      "GROUP BY state";
  const std::string expected =
      fmt::format("capped|{}\nsent|{}", 12 - most, most);
  EXPECT_EQ(audit.query_until(states, expected), expected);
  EXPECT_EQ(audit.messages_with({"new preload term", "=\"cap"}).size(),
            static_cast<size_t>(most));

  ASSERT_TRUE(told(audit, {"preload alert summary: capped="}));
  // A new interval has room again, for new values only.
  run({"/bin/true"}, {"PRELOAD_LIVE_TEST=after"});
  run({test_program("storm"), "12", "1", "PRELOAD_LIVE_TEST=cap", "/bin/true"});
  expect_alert(audit, "after");
  sleep_seconds(2.5);
  EXPECT_EQ(audit.query(states), expected);
  const auto summaries = audit.messages_with({"capped="});
  ASSERT_EQ(summaries.size(), 1U);
  EXPECT_EQ(number_in(summaries[0], "capped"), 12 - most) << summaries[0];
  EXPECT_EQ(number_in(summaries[0], "flooded"), 0) << summaries[0];
  EXPECT_EQ(audit.query("SELECT count(*) FROM summaries WHERE summary LIKE "
                        "'capped=%' AND state = 'sent'"),
            "1");
  EXPECT_EQ(audit.query_until(
                "SELECT count(*) FROM first_seen WHERE value LIKE 'cap%' AND "
                "seen_count = 2",
                "12"),
            "12");
}

TEST_F(RuleLive, AnExceptionSilencesOneValueAndCountsItsHits) {
  const std::string used = "process.env_vars:LD_PRELOAD=/excepted/*";
  const std::string unused =
      "process.env_vars:\"LD_LIBRARY_PATH=/dead\" and not user.id:0";
  const PrivateAuditd audit(
      {.configuration =
           "exception = " + used + "\nexception = " + unused + "\n"});
  run({"/bin/true"},
      {"LD_PRELOAD=/excepted/a.so", "LD_LIBRARY_PATH=/harmful/dir"});
  run({"/bin/true"}, {"LD_LIBRARY_PATH=/dead", "LD_PRELOAD=/excepted/b.so"});
  expect_alert(audit, "/harmful/dir");
  // The second exception is for others than root.
  expect_alert(audit, "/dead");
  const std::string hits =
      "SELECT hits FROM exception_hit WHERE text = '" + used + "'";
  EXPECT_EQ(audit.query_until(hits, "2"), "2");
  EXPECT_EQ(audit.query("SELECT count(*) FROM exception_hit"), "1");
  EXPECT_EQ(audit.query("SELECT state, count(*) FROM term WHERE value LIKE "
                        "'/excepted/%' GROUP BY state"),
            "excepted|2");
  EXPECT_EQ(audit.query("SELECT count(*) FROM recent_alerts WHERE value LIKE "
                        "'/excepted/%'"),
            "0");
  EXPECT_TRUE(audit.messages_with({"=\"/excepted/"}).empty());

  const std::string check = audit.check();
  EXPECT_NE(check.find(used + " - 2 hits, last 20"), std::string::npos)
      << check;
  EXPECT_NE(check.find(unused + " - never hit"), std::string::npos) << check;
}

TEST_F(RuleLive, AnExceptedValueIsNewWhenItsExceptionIsGone) {
  const PrivateAuditd audit(
      {.configuration = "exception = process.env_vars:*=/was-excepted\n"});
  run({"/bin/true"}, {"LD_PRELOAD=/was-excepted"});
  expect_seen(audit, "/was-excepted", "1");
  audit.configure("");
  ::kill(audit.plugin_pid(), SIGHUP);
  ASSERT_TRUE(told(audit, {"configuration reloaded"}));
  run({"/bin/true"}, {"LD_PRELOAD=/was-excepted"});
  expect_alert(audit, "/was-excepted");
}

TEST_F(RuleLive, LearnsFirstAndSaysHowMuch) {
  const PrivateAuditd audit(
      {.configuration = std::string(kOwnVariable) + "learning_period = 4s\n"});
  run({"/bin/true"}, {"PRELOAD_LIVE_TEST=learn/a"});
  run({"/bin/true"}, {"PRELOAD_LIVE_TEST=learn/b"});
  const std::string states =
      "SELECT state, count(*) FROM term WHERE value LIKE 'learn/%' GROUP BY "
      "state";
  EXPECT_EQ(audit.query_until(states, "learned|2"), "learned|2");
  ASSERT_TRUE(told(audit, {"learning ended"}));
  const auto summary = audit.messages_with({"learning ended"});
  ASSERT_EQ(summary.size(), 1U);
  EXPECT_EQ(number_in(summary[0], "terms"), 2) << summary[0];
  EXPECT_NE(summary[0].find("learning_period=4s"), std::string::npos)
      << summary[0];

  run({"/bin/true"}, {"PRELOAD_LIVE_TEST=learn/a"});
  run({"/bin/true"}, {"PRELOAD_LIVE_TEST=after"});
  expect_alert(audit, "after");
  expect_seen(audit, "learn/a", "2");
  EXPECT_TRUE(audit.messages_with({"=\"learn/"}).empty());
  EXPECT_EQ(audit.messages_with({"learning ended"}).size(), 1U);
}

TEST_F(RuleLive, AValueUnseenForLongerThanTheWindowIsNewAgain) {
  const PrivateAuditd audit({.configuration = "history_window = 2s\n"});
  const auto use = [] { run({"/bin/true"}, {"LD_PRELOAD=/window/x"}); };
  // Each sighting moves the window on.
  for (int i = 0; i < 4; ++i) {
    use();
    sleep_seconds(1);
  }
  expect_seen(audit, "/window/x", "4");
  EXPECT_EQ(audit.messages_with({"/window/x"}).size(), 1U);
  sleep_seconds(2.5);
  use();
  EXPECT_EQ(audit.query_until(alerts_of("/window/x"), "2"), "2");
  EXPECT_EQ(audit.messages_with({"/window/x"}).size(), 2U);
}

TEST_F(RuleLive, AnotherProgramIsNewWhereTheRuleCountsPrograms) {
  const PrivateAuditd audit(
      {.configuration =
           "new_terms_fields = process.env_vars, process.executable\n"});
  for (int i = 0; i < 2; ++i)
    for (const char* program : {"/bin/true", "/bin/false"})
      run({program}, {"LD_PRELOAD=/fields/x"});
  expect_seen(audit, "/fields/x", "4");
  EXPECT_EQ(
      audit.query_until("SELECT executable FROM recent_alerts WHERE value = "
                        "'/fields/x' AND state = 'sent' ORDER BY executable",
                        "/usr/bin/false\n/usr/bin/true"),
      "/usr/bin/false\n/usr/bin/true");
  EXPECT_EQ(audit.messages_with({"/fields/x"}).size(), 2U);
}

TEST_F(DefaultLive, BothOfTwoEqualNamesAreTerms) {
  const PrivateAuditd& audit = deployment();
  run({test_program("exec_with"), "LD_PRELOAD=/twice/first", "OTHER=x",
       "LD_PRELOAD=/twice/second", "--", "/bin/true"});
  expect_alert(audit, "/twice/first");
  expect_alert(audit, "/twice/second");
  EXPECT_EQ(audit.query("SELECT count(DISTINCT audit_id) FROM recent_alerts "
                        "WHERE value LIKE '/twice/%'"),
            "1");
}

TEST_F(RuleLive, WhatRunsAlreadyIsTheBaselineAndLaterTheInventory) {
  const Running before({"PRELOAD_LIVE_TEST=baseline"});
  PrivateAuditd audit({.configuration = kOwnVariable});
  ASSERT_TRUE(told(audit, {"preload alert summary: baseline"}));
  const auto summary = audit.messages_with({"baseline terms="});
  ASSERT_EQ(summary.size(), 1U);
  EXPECT_EQ(number_in(summary[0], "terms"), 1) << summary[0];
  EXPECT_GT(number_in(summary[0], "processes"), 1) << summary[0];
  EXPECT_EQ(audit.query("SELECT value, state, origin FROM term"),
            "baseline|baseline|inventory");
  run({"/bin/true"}, {"PRELOAD_LIVE_TEST=baseline"});
  expect_seen(audit, "baseline", "2");
  EXPECT_EQ(audit.query("SELECT count(*) FROM recent_alerts"), "0");

  audit.stop();
  // Audit off, or the kernel would keep the exec's records for the next auditd.
  shell("auditctl -e 0");
  const Running meanwhile({"PRELOAD_LIVE_TEST=meanwhile"});
  audit.start();
  expect_alert(audit, "meanwhile");
  EXPECT_EQ(audit.query("SELECT value, origin FROM first_seen ORDER BY "
                        "term_id"),
            "baseline|inventory\nmeanwhile|inventory");
  EXPECT_EQ(
      audit
          .messages_with({"new preload term", "PRELOAD_LIVE_TEST=\"meanwhile\"",
                          "origin=inventory", "exe=\"/usr/bin/sleep\""})
          .size(),
      1U);
  EXPECT_EQ(audit.messages_with({"=\"baseline\""}).size(), 0U);
  EXPECT_EQ(audit.messages_with({"baseline terms="}).size(), 1U);
}

TEST_F(DefaultLive, OptionsOfTheLoaderAreTerms) {
  const std::vector<std::string> loaders{"/lib64/ld-linux-x86-64.so.2",
                                         "/lib/ld-linux-aarch64.so.1"};
  const auto loader = std::find_if(
      loaders.begin(), loaders.end(),
      [](const auto& path) { return std::filesystem::exists(path); });
  if (loader == loaders.end())
    GTEST_SKIP() << "no dynamic loader of glibc here";
  const PrivateAuditd& audit = deployment();
  EXPECT_TRUE(run({*loader, "--preload", "/option/x.so", "--library-path",
                   "/option/dir", "/bin/true"})
                  .good());
  expect_alert(audit, "/option/x.so");
  expect_alert(audit, "/option/dir");
  EXPECT_EQ(audit.query("SELECT variable, value, origin FROM first_seen WHERE "
                        "value LIKE '/option/%' ORDER BY value"),
            "LD_LIBRARY_PATH|/option/dir|ld.so-option\n"
            "LD_PRELOAD|/option/x.so|ld.so-option");
  EXPECT_EQ(audit
                .messages_with({"LD_PRELOAD=\"/option/x.so\"",
                                "origin=ld.so-option", "/bin/true"})
                .size(),
            1U);
}

// The plugin has an /etc of its own, so that no other program loads what the
// test writes.
TEST_F(RuleLive, EntriesOfThePreloadFileAreTermsAtStartAndWhenItChanges) {
  PrivateAuditd audit(
      {.wrapper = {"unshare", "--mount", "--propagation", "private",
                   "@DIR@/own-etc"},
       .prepare = [](const std::string& dir) {
         shell("cp -a /etc " + dir + "/etc");
         std::ofstream(dir + "/etc/ld.so.preload") << "/file/at-start.so\n";
         std::ofstream(dir + "/own-etc") << fmt::format(
             "#!/bin/sh\nmount --bind {}/etc /etc || exit 1\nexec \"$@\"\n",
             dir);
         ::chmod((dir + "/own-etc").c_str(), 0755);
       }});
  const std::string file = audit.path("etc/ld.so.preload");
  audit.watch_preload_file(file);
  expect_alert(audit, "/file/at-start.so");
  EXPECT_EQ(audit
                .messages_with({"ld.so.preload=\"/file/at-start.so\"",
                                "origin=ld.so.preload"})
                .size(),
            1U);

  run({"/bin/sh", "-c", "echo /file/written.so >>" + file});
  const auto written = std::chrono::steady_clock::now();
  expect_alert(audit, "/file/written.so");
  EXPECT_LT(std::chrono::steady_clock::now() - written,
            std::chrono::seconds(4));
  // Who wrote it, by the watch's own event.
  EXPECT_EQ(audit
                .messages_with({"ld.so.preload=\"/file/written.so\"",
                                "origin=ld.so.preload", "exe=\"/usr/bin/dash\"",
                                "audit="})
                .size(),
            1U);

  // As most editors and package scripts do.
  run({"/bin/sh", "-c",
       fmt::format("echo /file/renamed.so >{0}.new; mv {0}.new {0}", file)});
  expect_alert(audit, "/file/renamed.so");
  EXPECT_EQ(audit.query("SELECT variable, origin, count(*) FROM first_seen "
                        "WHERE value LIKE '/file/%' GROUP BY 1, 2"),
            "ld.so.preload|ld.so.preload|3");
  EXPECT_EQ(audit.messages_with({"=\"/file/"}).size(), 3U);
}

}  // namespace
}  // namespace preload
