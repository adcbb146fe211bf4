// SPDX-License-Identifier: Apache-2.0
// A CPU goes offline and comes back: nothing is missed meanwhile, and its
// listener is on it again afterwards.
#include <fmt/format.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <string>

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
  static void expect_captured(const PrivateAuditd& audit,
                              const std::string& prefix) {
    run({test_program("storm"), "300", "4", "LD_PRELOAD=" + prefix,
         test_program("exit_now")});
    const std::string count = fmt::format(
        "SELECT count(*) FROM first_seen WHERE value LIKE '{}%'", prefix);
    EXPECT_EQ(audit.query_until(count, "300"), "300") << prefix;
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

}  // namespace
}  // namespace preload
