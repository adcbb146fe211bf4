// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/state_report.h"

#include <set>
#include <sstream>

#include <gtest/gtest.h>

namespace preload {
namespace {

StateFacts sample_facts() {
  StateFacts facts;
  facts.pid = 321;
  facts.started_us = 1'795'484'879'068'000;
  facts.written_us = facts.started_us + 1'000'000;
  facts.config_file = "/etc/audit/audisp-preload.conf";
  facts.capture_mode = "nice";
  facts.capture_reason = "SCHED_FIFO refused";
  facts.more = {{"database", "/var/lib/audisp-preload/history.db"}};
  return facts;
}

TEST(StateReport, TellsFactsAndCounters) {
  Metrics metrics;
  metrics.add(Metric::kCapturedAtExec, 997);
  metrics.add(Metric::kMissedExited, 3);
  metrics.set(Metric::kRelayQueueHighWater, 5);
  metrics.observe_latency(0.01);
  const std::string text = state_report(sample_facts(), metrics);
  for (const char* line :
       {"\npid: 321\n", "\nstarted: 2026-11-24T01:47:59.068Z\n",
        "\nconfiguration: /etc/audit/audisp-preload.conf\n",
        "\ncapture: nice (SCHED_FIFO refused)\n",
        "\ndatabase: /var/lib/audisp-preload/history.db\n",
        "\ncaptured at exec: 99.700 %\n", "\nexecs captured_at_exec: 997\n",
        "\nexecs missed_exited: 3\n", "\nqueue_high_water_entries relay: 5\n",
        "\nmean alert latency: 0.0100 s over 1 alerts\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

TEST(StateReport, EveryLineIsKeyAndValueAndNoKeyTwice) {
  const Metrics metrics;
  std::istringstream lines(state_report(sample_facts(), metrics));
  std::set<std::string> keys;
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find(": ");
    ASSERT_NE(colon, std::string::npos) << line;
    EXPECT_TRUE(keys.insert(line.substr(0, colon)).second) << line;
  }
  EXPECT_GT(keys.size(), metric_table().size());
}

}  // namespace
}  // namespace preload
