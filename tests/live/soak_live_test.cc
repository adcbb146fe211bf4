// SPDX-License-Identifier: Apache-2.0
// A steady rate for a long time: memory, descriptors and the write-ahead log
// stay where they are. Run by `make soak` alone; PRELOAD_SOAK_SECONDS is how
// long.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "support/live_test.h"

namespace preload {
namespace {

class SoakLive : public LiveTest {
 protected:
  struct Sample {
    long memory_kib = 0;
    long descriptors = 0;
    long wal_bytes = 0;
    long database_kib = 0;
  };
  static Sample look(const PrivateAuditd& audit, pid_t plugin) {
    Sample sample;
    sample.memory_kib = std::atol(
        shell(fmt::format("sed -n 's/^VmRSS: *//p' /proc/{}/status", plugin))
            .c_str());
    sample.descriptors = std::distance(
        std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", plugin)),
        {});
    sample.wal_bytes = static_cast<long>(
        std::filesystem::file_size(audit.database() + "-wal"));
    sample.database_kib =
        static_cast<long>(std::filesystem::file_size(audit.database()) / 1024);
    return sample;
  }
  // All that the plugin said but alerts.
  static std::string own_messages(const PrivateAuditd& audit) {
    std::string text;
    for (const std::string& line : audit.messages())
      if (line.find("preload term") == std::string::npos)
        text += line + "\n";
    return text;
  }
  // The largest of a part of the samples, as tenths.
  static Sample most(const std::vector<Sample>& samples, size_t from,
                     size_t to) {
    Sample result;
    for (size_t i = samples.size() * from / 10; i < samples.size() * to / 10;
         ++i) {
      result.memory_kib = std::max(result.memory_kib, samples[i].memory_kib);
      result.descriptors = std::max(result.descriptors, samples[i].descriptors);
      result.wal_bytes = std::max(result.wal_bytes, samples[i].wal_bytes);
      result.database_kib =
          std::max(result.database_kib, samples[i].database_kib);
    }
    return result;
  }
};

TEST_F(SoakLive, NothingGrows) {
  using std::chrono::steady_clock;
  const char* given = ::getenv("PRELOAD_SOAK_SECONDS");  // NOLINT
  const int seconds = given == nullptr ? 10 : std::atoi(given);
  const PrivateAuditd audit({.as_shipped = true});
  const pid_t plugin = audit.plugin_pid();
  const long lost = PrivateAuditd::kernel_status("lost");
  const long waited = PrivateAuditd::kernel_status("backlog_wait_time_actual");
  const std::string storm = test_program("storm");
  const std::string brief = test_program("exit_now");
  std::vector<Sample> samples;
  const auto begin = steady_clock::now();
  long execs = 0;
  for (int second = 0; second < seconds; ++second) {
    // 200 a second: without, with the same 20 values, with a new one.
    run({storm, "120", "4", "OTHER=", brief});
    for (int i = 0; i < 3; ++i)
      run({storm, "20", "4", "LD_PRELOAD=/soak/same/", brief});
    run({storm, "1", "1", fmt::format("LD_PRELOAD=/soak/new/{}-", second),
         brief});
    execs += 120 + 60 + 1;
    ASSERT_EQ(audit.plugin_pid(), plugin) << own_messages(audit);
    samples.push_back(look(audit, plugin));
    std::this_thread::sleep_until(begin + std::chrono::seconds(second + 1));
  }
  EXPECT_EQ(audit.query_until(
                "SELECT count(*) FROM first_seen WHERE value LIKE '/soak/%'",
                std::to_string(20 + seconds)),
            std::to_string(20 + seconds));
  // Every one of ours; what else runs on the machine is not ours to judge.
  const std::string uses = std::to_string(61L * seconds);
  EXPECT_EQ(audit.query_until(
                fmt::format("SELECT sum(seen_count) FROM sightings WHERE "
                            "executable = '{}'",
                            brief),
                uses),
            uses);
  EXPECT_EQ(audit.query(fmt::format(
                "SELECT * FROM missed_execs WHERE executable = '{}'", brief)),
            "");
  EXPECT_EQ(audit.plugin_pid(), plugin);
  EXPECT_EQ(PrivateAuditd::kernel_status("lost"), lost);
  // In jiffies: below a hundredth of the time.
  EXPECT_LE(PrivateAuditd::kernel_status("backlog_wait_time_actual"),
            waited + seconds);
  for (size_t tenth = 0; tenth < 10; ++tenth) {
    const Sample sample = most(samples, tenth, tenth + 1);
    std::cout << fmt::format("tenth {}: {} KiB, database of {} KiB\n",
                             tenth + 1, sample.memory_kib, sample.database_kib);
  }
  // The first third warms the caches up, but for pages of a database that
  // grows.
  const Sample early = most(samples, 3, 6);
  const Sample late = most(samples, 7, 10);
  constexpr long kPageCacheKib = 4096;
  const long pages_kib =
      std::clamp(late.database_kib - early.database_kib, 0L, kPageCacheKib);
  EXPECT_LT(late.memory_kib, early.memory_kib + pages_kib + 1024);
  EXPECT_LT(late.memory_kib, 32 * 1024);
  EXPECT_LE(late.descriptors, early.descriptors + 2);
  EXPECT_LT(most(samples, 0, 10).wal_bytes, 16 << 20);
  std::cout << fmt::format(
      "{} s, {} execs: {} KiB then {} KiB, {} then {} descriptors, log of {} "
      "KiB at most\n",
      seconds, execs, early.memory_kib, late.memory_kib, early.descriptors,
      late.descriptors, most(samples, 0, 10).wal_bytes / 1024);
}

}  // namespace
}  // namespace preload
