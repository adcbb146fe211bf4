// SPDX-License-Identifier: Apache-2.0
// The main job on this machine's kernel: real auditd, real rsyslogd, real
// programs, the sqlite3 CLI.
#include "support/live_test.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace preload {
namespace {

constexpr const char* kUncapped = "max_alerts = 1000000\ninterval = 1h\n";

class Live : public LiveTest {};

class UncappedLive : public SharedLiveTest<UncappedLive> {
 public:
  static PrivateAuditd::Setup setup() { return {.configuration = kUncapped}; }

 protected:
  // How many of `count` values PREFIX0, PREFIX1, ... are as they should be.
  static void expect_all(const PrivateAuditd& audit, const std::string& prefix,
                         int count, const std::string& exe,
                         const std::string& args) {
    const std::string like = fmt::format("value LIKE '{}%'", prefix);
    EXPECT_EQ(audit.query_until(
                  "SELECT count(*) FROM recent_alerts WHERE state = 'sent' "
                  "AND " +
                      like,
                  std::to_string(count)),
              std::to_string(count));
    EXPECT_EQ(audit.query("SELECT count(DISTINCT value), count(*), "
                          "min(seen_count), max(seen_count) FROM first_seen "
                          "WHERE " +
                          like),
              fmt::format("{0}|{0}|1|1", count));
    EXPECT_EQ(
        audit.query(fmt::format(
            "SELECT count(*) FROM recent_alerts WHERE {} AND executable = '{}' "
            "AND args = '{}' AND user = 'root' AND capture = 'exec' AND "
            "audit_id IS NOT NULL",
            like, exe, args)),
        std::to_string(count));
    std::map<std::string, int> lines;
    for (const std::string& line : audit.messages_with({"=\"" + prefix})) {
      const size_t at = line.find("=\"" + prefix) + 2;
      ++lines[line.substr(at, line.find('"', at) - at)];
    }
    EXPECT_EQ(lines.size(), static_cast<size_t>(count));
    for (const auto& [value, times] : lines)
      EXPECT_EQ(times, 1) << value;
  }
};

TEST_F(UncappedLive, EverySingleValueOfShortLivedPrograms) {
  const PrivateAuditd& audit = deployment();
  const std::string storm = test_program("storm");
  const std::string brief = test_program("exit_now");
  ASSERT_TRUE(
      run({storm, "2000", "1", "LD_PRELOAD=/one/", brief, "a b"}).good());
  expect_all(audit, "/one/", 2000, brief, brief + " ''a b''");
  ASSERT_TRUE(run({storm, "2000", "8", "LD_PRELOAD=/eight/", brief}).good());
  expect_all(audit, "/eight/", 2000, brief, brief);
  ASSERT_TRUE(
      run({storm, "2000", "4", "LD_PRELOAD=/true/", "/bin/true"}).good());
  expect_all(audit, "/true/", 2000, "/usr/bin/true", "/bin/true");
  EXPECT_EQ(audit.query_until("SELECT sum(execs) >= 6000, sum(missed), "
                              "sum(captured_late) FROM coverage_by_day",
                              "1|0|0"),
            "1|0|0");
  EXPECT_EQ(PrivateAuditd::kernel_status("lost"), 0);
}

TEST_F(UncappedLive, EverySingleValueInAPidAndMountNamespace) {
  const PrivateAuditd& audit = deployment();
  const std::string brief = test_program("exit_now");
  const std::vector<std::string> inside{"unshare", "--pid", "--fork", "--mount",
                                        "--mount-proc"};
  const auto storm = [&](int parallel, const std::string& prefix,
                         const std::string& what) {
    std::vector<std::string> argv = inside;
    for (const std::string& word :
         {test_program("storm"), std::string("2000"), std::to_string(parallel),
          "LD_PRELOAD=" + prefix, what})
      argv.push_back(word);
    ASSERT_TRUE(run(argv).good());
  };
  storm(1, "/ns-one/", brief);
  expect_all(audit, "/ns-one/", 2000, brief, brief);
  storm(8, "/ns-eight/", brief);
  expect_all(audit, "/ns-eight/", 2000, brief, brief);
  storm(4, "/ns-true/", "/bin/true");
  expect_all(audit, "/ns-true/", 2000, "/usr/bin/true", "/bin/true");
}

TEST_F(UncappedLive, WaysToStartAProgram) {
  const PrivateAuditd& audit = deployment();
  const TempDir dir;
  ::chmod(dir.path().c_str(), 0755);
  const auto wait_alert = [&](const std::string& value) {
    const std::string count =
        "SELECT count(*) FROM recent_alerts WHERE state = 'sent' AND value = "
        "'" +
        value + "'";
    EXPECT_EQ(audit.query_until(count, "1"), "1") << value;
    return audit.query(
        "SELECT executable || ' ' || args FROM recent_alerts WHERE capture = "
        "'exec' AND audit_id IS NOT NULL AND value = '" +
        value + "'");
  };

  const std::string script = dir / "script";
  std::ofstream(script) << "#!/bin/sh\nexit 0\n";
  ::chmod(script.c_str(), 0755);
  run({script, "x"}, {"LD_PRELOAD=/way/script"});
  EXPECT_EQ(wait_alert("/way/script"),
            fmt::format("/usr/bin/dash /bin/sh {} x", script));

  EXPECT_TRUE(run({test_program("execveat_self"), test_program("exit_now")},
                  {"LD_LIBRARY_PATH=/way/execveat"})
                  .good());
  wait_alert("/way/execveat");
  EXPECT_EQ(audit.query_until("SELECT count(*) FROM sightings WHERE value = "
                              "'/way/execveat' AND executable = '" +
                                  test_program("exit_now") + "'",
                              "1"),
            "1");

  run({"/bin/sh", "-c",
       "exec env LD_PRELOAD=/way/chain /bin/sh -c 'exec " +
           test_program("exit_now") + "'"});
  wait_alert("/way/chain");
  EXPECT_EQ(
      audit.query_until("SELECT count(*) FROM sightings WHERE value = "
                        "'/way/chain' AND executable IN ('" +
                            test_program("exit_now") + "', '/usr/bin/dash')",
                        "2"),
      "2");

  EXPECT_TRUE(run({test_program("thread_exec"), test_program("exit_now"),
                   "from-thread"},
                  {"LD_PRELOAD=/way/thread"})
                  .good());
  wait_alert("/way/thread");
  EXPECT_EQ(audit.query_until("SELECT count(*) FROM sightings WHERE value = "
                              "'/way/thread' AND executable = '" +
                                  test_program("exit_now") + "'",
                              "1"),
            "1");

  const std::string setuid = dir / "setuid";
  std::filesystem::copy_file(test_program("exit_now"), setuid);
  ::chmod(setuid.c_str(), 04755);
  run({"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
       "env", "-i", "LD_PRELOAD=/way/setuid", setuid});
  EXPECT_EQ(wait_alert("/way/setuid"), fmt::format("{0} {0}", setuid));
  const auto line = audit.messages_with({"/way/setuid"});
  ASSERT_EQ(line.size(), 1U);
  EXPECT_NE(line[0].find("secure=yes"), std::string::npos) << line[0];
  EXPECT_NE(line[0].find("user=\"nobody\""), std::string::npos) << line[0];

  if (std::filesystem::exists(test_program("exit_now_32")) &&
      run({test_program("exit_now_32")}).good()) {
    run({test_program("exit_now_32")}, {"LD_PRELOAD=/way/32"});
    EXPECT_EQ(wait_alert("/way/32"),
              fmt::format("{0} {0}", test_program("exit_now_32")));
  } else {
    std::cout << "not run: no 32-bit program could be built or run here\n";
  }

  EXPECT_EQ(audit.query_until("SELECT sum(missed) FROM coverage_by_day", "0"),
            "0");
}

TEST_F(DefaultLive, ToolsThatPreloadAreAlertedOnceAndNeverAgain) {
  const PrivateAuditd& audit = deployment();
  struct Tool {
    const char* name;
    const char* command;
    const char* value;  // a part of its LD_PRELOAD
  };
  std::vector<Tool> tools{
      {"stdbuf", "stdbuf -oL id", "libstdbuf.so"},
      {"fakeroot", "fakeroot id", "libfakeroot"},
      {"eatmydata", "eatmydata id", "libeatmydata.so"},
      {"faketime", "faketime '2020-01-01' date", "libfaketime.so"},
      {"torsocks", "torsocks id", "libtorsocks.so"},
      {"proxychains4", "proxychains4 -q id", "libproxychains.so"}};
  const auto run_all = [&] {
    for (const Tool& tool : tools)
      shell(tool.command);
  };
  const auto alerts = [](const Tool& tool) {
    return fmt::format(
        "SELECT count(*) FROM recent_alerts WHERE state = 'sent' AND variable "
        "= 'LD_PRELOAD' AND value LIKE '%{}%'",
        tool.value);
  };
  const auto seen = [](const Tool& tool) {
    return fmt::format(
        "SELECT sum(seen_count) FROM first_seen WHERE variable = 'LD_PRELOAD' "
        "AND value LIKE '%{}%'",
        tool.value);
  };
  std::erase_if(tools, [](const Tool& tool) {
    const bool lacks = !installed(tool.name);
    if (lacks)
      std::cout << "not run: " << tool.name << " is not installed\n";
    return lacks;
  });

  run_all();
  std::map<std::string, long> once;
  for (const Tool& tool : tools) {
    EXPECT_EQ(audit.query_until(alerts(tool), "1"), "1") << tool.name;
    once[tool.name] = std::stol(audit.query(seen(tool)));
  }
  run_all();
  for (const Tool& tool : tools) {
    EXPECT_TRUE(eventually(10, [&] {
      return std::stol(audit.query(seen(tool))) > once[tool.name];
    })) << tool.name;
    EXPECT_EQ(audit.query(alerts(tool)), "1") << tool.name;
    EXPECT_EQ(
        audit.messages_with({"new preload term", tool.value, "LD_PRELOAD="})
            .size(),
        1U)
        << tool.name;
  }
}

TEST_F(Live, RealtimeDenied) {
  const PrivateAuditd audit({.configuration = kUncapped,
                             .wrapper = {"prlimit", "--rtprio=0", "setpriv",
                                         "--bounding-set=-sys_nice"}});
  EXPECT_EQ(audit.messages_with({"capture mode nice", "SCHED_FIFO"}).size(),
            1U);
  EXPECT_NE(content_of(audit.path("state")).find("capture: nice"),
            std::string::npos);
  run({test_program("storm"), "200", "1", "LD_PRELOAD=/nice/", "/bin/true"});
  // Each exec has one outcome; together they are all.
  EXPECT_EQ(audit.query_until(
                "SELECT count(*) + (SELECT count(*) FROM missed_execs WHERE "
                "executable = '/usr/bin/true') FROM first_seen WHERE value "
                "LIKE '/nice/%'",
                "200"),
            "200")
      << audit.query("SELECT * FROM coverage_by_day") << '\n'
      << audit.query(
             "SELECT m.reason, m.pid, m.audit_id, a.capture, a.audit_id, "
             "a.value FROM missed_execs m LEFT JOIN recent_alerts a USING "
             "(pid)");
}

TEST_F(Live, ConnectorDenied) {
  const PrivateAuditd audit(
      {.configuration = kUncapped, .wrapper = {"unshare", "--net"}});
  EXPECT_EQ(
      audit.messages_with({"capture mode audit", "process connector"}).size(),
      1U);
  EXPECT_NE(content_of(audit.path("state")).find("capture: audit"),
            std::string::npos);
  run({test_program("storm"), "200", "1", "LD_PRELOAD=/audit/",
       test_program("exit_now")});
  EXPECT_EQ(audit.query_until(
                "SELECT count(*) + (SELECT count(*) FROM missed_execs WHERE "
                "executable = '" +
                    test_program("exit_now") +
                    "') FROM first_seen "
                    "WHERE value LIKE '/audit/%'",
                "200"),
            "200");
  EXPECT_EQ(audit.query("SELECT captured_at_exec, missed > 0 FROM "
                        "coverage_by_day"),
            "0|1");
  // What lives long enough is still captured and alerted.
  run({"/bin/sleep", "0.5"}, {"LD_PRELOAD=/audit-late/x"});
  EXPECT_EQ(audit.query_until("SELECT capture FROM recent_alerts WHERE value = "
                              "'/audit-late/x' AND state = 'sent'",
                              "late"),
            "late");
}

TEST_F(Live, AnExecThatAuditDoesNotReportIsToldWhole) {
  const PrivateAuditd audit(
      {.configuration = "audit_wait = 1s\n", .rules = false});
  run({"/bin/true", "x"}, {"LD_PRELOAD=/unaudited/x"});
  EXPECT_EQ(audit.query_until(
                "SELECT executable, args, user FROM unaudited_execs WHERE "
                "value = '/unaudited/x'",
                "/usr/bin/true|/bin/true x|root"),
            "/usr/bin/true|/bin/true x|root");
  EXPECT_TRUE(eventually(10, [&] {
    return audit.messages_with({"/unaudited/x", "origin=unaudited"}).size() ==
           1;
  }));
}

TEST_F(UncappedLive, SyslogdComesBackAndGetsWhatWaited) {
  PrivateAuditd& audit = deployment();
  audit.stop_syslog();
  run({test_program("storm"), "20", "1", "LD_PRELOAD=/waiting/", "/bin/true"});
  EXPECT_EQ(audit.query_until("SELECT count(*) FROM recent_alerts WHERE state "
                              "= 'pending' AND value LIKE '/waiting/%'",
                              "20"),
            "20");
  audit.start_syslog();
  EXPECT_TRUE(eventually(
      30, [&] { return audit.messages_with({"/waiting/"}).size() == 20; }));
  EXPECT_EQ(audit.query_until("SELECT count(*) FROM recent_alerts WHERE state "
                              "= 'sent' AND value LIKE '/waiting/%'",
                              "20"),
            "20");
}

TEST_F(DefaultLive, AuditdRestartsAndTheHistoryGoesOn) {
  PrivateAuditd& audit = deployment();
  run({"/bin/true"}, {"LD_PRELOAD=/restart/a"});
  EXPECT_TRUE(eventually(
      10, [&] { return audit.messages_with({"/restart/a"}).size() == 1; }));
  audit.stop();
  EXPECT_EQ(audit.plugin_pid(), 0);
  audit.start();
  run({"/bin/true"}, {"LD_PRELOAD=/restart/a"});
  run({"/bin/true"}, {"LD_PRELOAD=/restart/b"});
  EXPECT_TRUE(eventually(
      10, [&] { return audit.messages_with({"/restart/b"}).size() == 1; }));
  EXPECT_EQ(audit.messages_with({"/restart/a"}).size(), 1U);
  EXPECT_EQ(audit.query_until("SELECT seen_count FROM first_seen WHERE value = "
                              "'/restart/a'",
                              "2"),
            "2");
}

}  // namespace
}  // namespace preload
