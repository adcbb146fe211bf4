// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/reports.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "support/process.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

const std::string kFacts = "pid: 321\ncapture: nice (SCHED_FIFO refused)\n";

TEST(StateReport, TellsFactsAndCounters) {
  Metrics metrics;
  metrics.add(Metric::kCapturedAtExec, 997);
  metrics.add(Metric::kMissedExited, 3);
  metrics.set(Metric::kRelayQueueHighWater, 5);
  metrics.observe_latency(0.01);
  const std::string text = state_report(kFacts, metrics.snapshot());
  for (const char* line :
       {"pid: 321\n", "\ncapture: nice (SCHED_FIFO refused)\n",
        "\ncaptured at exec: 99.700 %\n", "\nexecs captured_at_exec: 997\n",
        "\nexecs missed_exited: 3\n", "\nqueue_high_water_entries relay: 5\n",
        "\nmean alert latency: 0.0100 s over 1 alerts\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

TEST(StateReport, EveryLineIsKeyAndValueAndNoKeyTwice) {
  const Metrics metrics;
  std::istringstream lines(state_report(kFacts, metrics.snapshot()));
  std::set<std::string> keys;
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find(": ");
    ASSERT_NE(colon, std::string::npos) << line;
    EXPECT_TRUE(keys.insert(line.substr(0, colon)).second) << line;
  }
  EXPECT_GT(keys.size(), metric_table().size());
}

TEST(PrometheusReport, EveryMetricIsThereFromTheStart) {
  const Metrics metrics;
  const std::string text = prometheus_report(metrics.snapshot());
  for (const MetricInfo& info : metric_table()) {
    std::string sample(info.family);
    if (!info.label.empty())
      sample += fmt::format("{{{}=\"{}\"}}", info.label, info.value);
    EXPECT_NE(text.find("\n" + sample + " 0\n"), std::string::npos) << sample;
  }
  EXPECT_NE(text.find("_bucket{le=\"0.005\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("_bucket{le=\"+Inf\"} 0\n"), std::string::npos);
  EXPECT_TRUE(text.ends_with(
      "audisp_preload_build_info{version=\"" PRELOAD_VERSION "\"} 1\n"));
}

TEST(PrometheusReport, TellsWhatWasCounted) {
  Metrics metrics;
  metrics.add(Metric::kCapturedAtExec, 7);
  metrics.set(Metric::kRelayQueue, 3);
  metrics.observe_latency(0.015);
  metrics.observe_latency(0.25);
  const std::string text = prometheus_report(metrics.snapshot());
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
TEST(PrometheusReport, FamiliesAreNotSplit) {
  const Metrics metrics;
  std::istringstream lines(prometheus_report(metrics.snapshot()));
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

TEST(PrometheusReport, PromtoolFindsNothing) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe,cert-env33-c)
  if (std::system("command -v promtool >/dev/null") != 0)
    GTEST_SKIP() << "promtool is not installed (Debian package prometheus)";
  const TempDir dir;
  const std::string path = dir / "preload.prom";
  Metrics metrics;
  metrics.observe_latency(0.1);
  std::ofstream(path) << prometheus_report(metrics.snapshot());
  const std::string command =
      "promtool check metrics <" + path + " >" + path + ".out 2>&1";
  // NOLINTNEXTLINE(concurrency-mt-unsafe,cert-env33-c)
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(content_of(path + ".out"), "");
}

}  // namespace
}  // namespace preload
