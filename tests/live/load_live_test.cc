// SPDX-License-Identifier: Apache-2.0
// Storms of execs, as fast as the machine can: audit is not the victim of the
// plugin, every environment is captured, memory stays small. PRELOAD_STORM is
// the number of execs of each.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "support/live_test.h"

namespace preload {
namespace {

constexpr int kParallel = 8;
// A second has at least so many of the kernel's.
constexpr int kJiffies = 100;

struct Storm {
  const char* name;
  std::string variable;  // as tests/programs/storm.c has it
  bool matches;
};

class LoadLive : public LiveTest {
 protected:
  static long number_of_execs() {
    const char* given = ::getenv("PRELOAD_STORM");  // NOLINT: nobody changes it
    return given == nullptr ? 5000 : std::atol(given);
  }
  static std::vector<Storm> storms() {
    return {{"one known value", "LD_PRELOAD=/storm/known=", true},
            {"all different", "LD_PRELOAD=/storm/", true},
            {"none watched", "OTHER=/storm/", false}};
  }

  struct Cost {
    double seconds = 0;
    long lost = 0;
    long waited = 0;  // jiffies that processes stood still for audit's sake
    long queue = 0;   // of auditd's for its plugins, at most
  };
  // auditd's own report of its state; -1: it gave none.
  static long queue_depth(const PrivateAuditd& audit) {
    const std::string report = "/var/run/auditd.state";
    const std::string key = "max plugin queue depth used = ";
    std::filesystem::remove(report);
    ::kill(audit.auditd_pid(), SIGCONT);
    long depth = -1;
    eventually(5, [&] {
      const std::string text = content_of(report);
      if (const size_t at = text.find(key); at != std::string::npos)
        depth = std::atol(text.c_str() + at + key.size());
      return depth >= 0;
    });
    return depth;
  }
  static Cost run_storm(const PrivateAuditd& audit, const Storm& storm,
                        long count) {
    Cost cost;
    const long lost = PrivateAuditd::kernel_status("lost");
    const long waited =
        PrivateAuditd::kernel_status("backlog_wait_time_actual");
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(run({test_program("storm"), std::to_string(count),
                     std::to_string(kParallel), storm.variable,
                     test_program("exit_now")})
                    .good());
    cost.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
            .count();
    cost.lost = PrivateAuditd::kernel_status("lost") - lost;
    cost.waited =
        PrivateAuditd::kernel_status("backlog_wait_time_actual") - waited;
    cost.queue = queue_depth(audit);
    return cost;
  }
  static void tell(const std::string& who, const Storm& storm, long count,
                   const Cost& cost, const std::string& more = "") {
    std::cout << fmt::format(
        "{} execs, {}, {}: {:.0f}/s, lost {}, waited {}, auditd's queue {}{}\n",
        count, storm.name, who, static_cast<double>(count) / cost.seconds,
        cost.lost, cost.waited, cost.queue, more);
  }
  static long memory_kib(pid_t pid) {
    return std::atol(shell(fmt::format("sed -n 's/^VmHWM: *//p' "
                                       "/proc/{}/status",
                                       pid))
                         .c_str());
  }
};

TEST_F(LoadLive, StormsHoldUpNobodyAndAreCapturedWhole) {
  const long count = number_of_execs();
  const PrivateAuditd audit(
      {.configuration = "metrics_file = @DIR@/metrics.prom\n",
       .as_shipped = true});
  const pid_t plugin = audit.plugin_pid();
  const std::string brief = test_program("exit_now");
  long execs = 0;
  long matching = 0;
  for (const Storm& storm : storms()) {
    const Cost cost = run_storm(audit, storm, count);
    execs += count;
    matching += storm.matches ? count : 0;
    EXPECT_EQ(audit.plugin_pid(), plugin) << storm.name;
    EXPECT_EQ(cost.lost, 0) << storm.name;
    // auditd hands over one record at a time, and with cat(1) as its plugin
    // (below) processes wait for it too. A plugin that does not read would have
    // them wait all the time.
    EXPECT_LT(static_cast<double>(cost.waited),
              0.05 * cost.seconds * kParallel * kJiffies)
        << storm.name;
    EXPECT_LT(memory_kib(plugin), 32 * 1024) << storm.name;
    tell("this plugin", storm, count, cost,
         fmt::format(", {:.1f} MiB at most",
                     static_cast<double>(memory_kib(plugin)) / 1024));
  }
  const std::string seen =
      "SELECT sum(seen_count) FROM sightings WHERE executable = '" + brief +
      "'";
  EXPECT_EQ(audit.query_until(seen, std::to_string(matching)),
            std::to_string(matching));
  const std::string coverage = fmt::format(
      "SELECT captured_at_exec >= {}, captured_late, missed FROM "
      "coverage_by_day",
      execs);
  EXPECT_EQ(audit.query_until(coverage, "1|0|0"), "1|0|0");
  // Written anew for the signal.
  const std::string metrics = audit.path("metrics.prom");
  std::filesystem::remove(metrics);
  ::kill(plugin, SIGUSR1);
  ASSERT_TRUE(eventually(10, [&] { return std::filesystem::exists(metrics); }));
  for (const char* reason :
       {"connector_overrun", "ring_full", "store_queue_full"})
    EXPECT_NE(
        content_of(metrics).find(fmt::format("{{reason=\"{}\"}} 0\n", reason)),
        std::string::npos)
        << reason;
}

// What auditd costs by itself, to compare: alone, and with a plugin that only
// reads. Not a test of ours: PRELOAD_STORM_CONTROL=1 asks for it.
TEST_F(LoadLive, ControlWithoutThePlugin) {
  if (::getenv("PRELOAD_STORM_CONTROL") == nullptr)  // NOLINT
    GTEST_SKIP() << "a comparison, run with PRELOAD_STORM_CONTROL=1";
  const long count = number_of_execs();
  for (const Storm& storm : storms()) {
    const auto alone = [](const std::string& dir) {
      std::filesystem::remove(dir + "/plugins.d/preload.conf");
      std::ofstream(dir + "/state") << "none\n";
    };
    const auto reader = [](const std::string& dir) {
      std::ofstream(dir + "/plugin") << "#!/bin/sh\nexec cat >/dev/null\n";
      std::ofstream(dir + "/state") << "none\n";
    };
    {
      const PrivateAuditd audit({.prepare = alone, .syslog = false});
      tell("auditd alone", storm, count, run_storm(audit, storm, count));
    }
    {
      const PrivateAuditd audit(
          {.wrapper = {"cat"}, .prepare = reader, .syslog = false});
      tell("a plugin that is cat", storm, count,
           run_storm(audit, storm, count));
    }
  }
}

}  // namespace
}  // namespace preload
