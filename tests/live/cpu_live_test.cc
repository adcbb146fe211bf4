// SPDX-License-Identifier: Apache-2.0
// Listeners and CPUs: one that goes offline and comes back, programs that have
// a real-time priority themselves.
#include <fmt/format.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/live_test.h"
#include "support/undo_log.h"

namespace preload {
namespace {

constexpr const char* kOnline = "/sys/devices/system/cpu/cpu1/online";

class CpuLive : public LiveTest {
 protected:
  static pid_t thread(pid_t process, const std::string& name) {
    for (const auto& task : std::filesystem::directory_iterator(
             fmt::format("/proc/{}/task", process)))
      if (content_of(task.path() / "comm") == name + "\n")
        return std::stoi(task.path().filename());
    return 0;
  }
  static bool only_on(pid_t thread, size_t cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    return ::sched_getaffinity(thread, sizeof set, &set) == 0 &&
           CPU_COUNT(&set) == 1 && CPU_ISSET(cpu, &set);
  }
  static void set_online(bool online) {
    std::ofstream(kOnline) << (online ? "1\n" : "0\n");
  }
  static std::vector<std::string> storm(const std::string& prefix) {
    return {test_program("storm"), "300", "4", "LD_PRELOAD=" + prefix,
            test_program("exit_now")};
  }
  static void expect_seen(const PrivateAuditd& audit,
                          const std::string& prefix) {
    const std::string count = fmt::format(
        "SELECT count(*) FROM first_seen WHERE value LIKE '{}%'", prefix);
    EXPECT_EQ(audit.query_until(count, "300"), "300") << prefix;
  }
  static void expect_captured(const PrivateAuditd& audit,
                              const std::string& prefix) {
    run(storm(prefix));
    expect_seen(audit, prefix);
  }
  // Programs that run at a real-time priority.
  static void run_at(int priority, const std::string& prefix) {
    std::vector<std::string> argv = storm(prefix);
    argv.insert(argv.begin(),
                {"/usr/bin/chrt", "-f", std::to_string(priority)});
    run(argv);
  }
};

TEST_F(CpuLive, OfflineAndBack) {
  if (content_of(kOnline) != "1\n" || ::access(kOnline, W_OK) != 0)
    GTEST_SKIP() << "no second CPU that can be taken offline";
  const PrivateAuditd audit({.configuration = "max_alerts = 100000\n"});
  const pid_t listener = thread(audit.plugin_pid(), "exec/1");
  if (listener == 0)
    GTEST_SKIP() << "no listener on the second CPU";
  EXPECT_TRUE(only_on(listener, 1));
  const UndoLog undo;
  undo.add(fmt::format("echo 1 >{}", kOnline));
  set_online(false);
  EXPECT_TRUE(told(audit, {"CPU 1 has gone offline"}));
  EXPECT_FALSE(only_on(listener, 1)) << "the kernel let it go elsewhere";
  expect_captured(audit, "/cpu/without/");
  set_online(true);
  EXPECT_TRUE(told(audit, {"CPU 1 is back; its listener is pinned again"}));
  EXPECT_TRUE(only_on(listener, 1));
  expect_captured(audit, "/cpu/again/");
  EXPECT_EQ(audit.query("SELECT sum(missed), sum(captured_late) FROM "
                        "coverage_by_day"),
            "0|0");
}

TEST_F(CpuLive, WhatRunsBeforeTheListenersIsCounted) {
  const std::string more = "max_alerts = 100000\n";
  {
    const PrivateAuditd audit({.configuration = more});
    run_at(10, "/prio/below/");
    expect_seen(audit, "/prio/below/");
    run_at(50, "/prio/above/");
    const std::string sum = fmt::format(
        "SELECT (SELECT count(*) FROM first_seen WHERE value LIKE "
        "'/prio/above/%') + (SELECT count(*) FROM missed_execs WHERE reason = "
        "'exited' AND executable = '{}')",
        test_program("exit_now"));
    EXPECT_EQ(audit.query_until(sum, "300"), "300");
  }
  const PrivateAuditd audit(
      {.configuration = more + "realtime_priority = 60\n"});
  run_at(50, "/prio/above/");
  expect_seen(audit, "/prio/above/");
}

}  // namespace
}  // namespace preload
