// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/metrics_file.h"

#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace preload {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

TEST(MetricsFile, EveryMetricIsThereFromTheStart) {
  const Metrics metrics;
  const std::string text = prometheus_text(metrics, "1.2.3");
  for (const MetricInfo& info : metric_table()) {
    std::string sample(info.family);
    if (!info.labels.empty())
      sample += "{" + std::string(info.labels) + "}";
    EXPECT_NE(text.find("\n" + sample + " 0\n"), std::string::npos) << sample;
  }
  EXPECT_NE(text.find("_bucket{le=\"0.005\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("_bucket{le=\"+Inf\"} 0\n"), std::string::npos);
  EXPECT_TRUE(
      text.ends_with("audisp_preload_build_info{version=\"1.2.3\"} 1\n"));
}

TEST(MetricsFile, TellsWhatWasCounted) {
  Metrics metrics;
  metrics.add(Metric::kCapturedAtExec, 7);
  metrics.set(Metric::kRelayQueue, 3);
  metrics.observe_latency(0.015);
  metrics.observe_latency(0.25);
  const std::string text = prometheus_text(metrics, "1");
  for (const char* sample :
       {"audisp_preload_execs_total{outcome=\"captured_at_exec\"} 7\n",
        "audisp_preload_queue_entries{queue=\"relay\"} 3\n",
        "audisp_preload_alert_latency_seconds_bucket{le=\"0.01\"} 0\n",
        "audisp_preload_alert_latency_seconds_bucket{le=\"0.02\"} 1\n",
        "audisp_preload_alert_latency_seconds_bucket{le=\"0.5\"} 2\n",
        "audisp_preload_alert_latency_seconds_bucket{le=\"+Inf\"} 2\n",
        "audisp_preload_alert_latency_seconds_sum 0.265\n",
        "audisp_preload_alert_latency_seconds_count 2\n"})
    EXPECT_NE(text.find(sample), std::string::npos) << sample;
}

// The format wants the samples of a family together, under one head.
TEST(MetricsFile, FamiliesAreNotSplit) {
  const Metrics metrics;
  std::istringstream lines(prometheus_text(metrics, "1"));
  std::set<std::string> ended;
  std::string current;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# HELP "))
      continue;
    ended.insert(current);
    current = line.substr(7, line.find(' ', 7) - 7);
    EXPECT_EQ(ended.count(current), 0U) << current;
  }
}

TEST(MetricsFile, IsReplacedWholeAndReadableByAll) {
  const TempDir dir;
  const std::string path = dir / "preload.prom";
  Metrics metrics;
  const mode_t before = ::umask(027);
  ASSERT_TRUE(write_metrics_file(path, metrics));
  metrics.add(Metric::kRecords);
  ASSERT_TRUE(write_metrics_file(path, metrics));
  ::umask(before);
  EXPECT_EQ(read_file(path), prometheus_text(metrics, PRELOAD_VERSION));
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0644U);
  EXPECT_FALSE(write_metrics_file(dir / "missing/preload.prom", metrics));
}

TEST(MetricsFile, PromtoolFindsNothing) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe,cert-env33-c)
  if (std::system("command -v promtool >/dev/null") != 0)
    GTEST_SKIP() << "promtool is not installed (Debian package prometheus)";
  const TempDir dir;
  const std::string path = dir / "preload.prom";
  Metrics metrics;
  metrics.observe_latency(0.1);
  ASSERT_TRUE(write_metrics_file(path, metrics));
  const std::string command =
      "promtool check metrics <" + path + " >" + path + ".out 2>&1";
  // NOLINTNEXTLINE(concurrency-mt-unsafe,cert-env33-c)
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(read_file(path + ".out"), "");
}

}  // namespace
}  // namespace preload
