// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "fake_probe.h"
#include "preload/base/metrics.h"
#include "preload/deliver/reports.h"
#include "preload/doctor/check.h"

namespace preload {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class CheckCapture : public testing::Test {
 protected:
  std::string line(const std::string& condition) {
    return line_of(fake_.check(), condition);
  }

  FakeProbe fake_;
};

TEST_F(CheckCapture, TellsTheRungOfTheRunningPluginAndWhy) {
  fake_.capture = "nice (SCHED_FIFO refused: Operation not permitted (1))";
  EXPECT_THAT(line("capture mode"),
              AllOf(StartsWith("FAIL  capture mode: nice"),
                    HasSubstr("Operation not permitted (1)):")));
  fake_.write(FakeProbe::kConfig, "realtime_priority = 0\n");
  EXPECT_THAT(line("capture mode"), StartsWith("warn  capture mode: nice"));
  fake_.capture = "audit (cannot subscribe: no connector)";
  EXPECT_THAT(line("capture mode"),
              AllOf(StartsWith("FAIL  capture mode: audit"),
                    HasSubstr("no connector):")));
  fake_.write(FakeProbe::kConfig, "capture = audit\n");
  fake_.capture = "audit (configured: capture = audit)";
  EXPECT_THAT(line("capture mode"), StartsWith("warn"));
  fake_.capture = "nonsense";
  EXPECT_THAT(line("capture mode"), StartsWith("skip"));
}

TEST_F(CheckCapture, TriesWhatCouldBeAttainedWithoutAPlugin) {
  fake_.end_process(FakeProbe::kPlugin);
  EXPECT_EQ(line("capture mode"), "ok    capture mode attainable: realtime");
  int asked = 0;
  fake_.probe.try_realtime = [&](int priority) {
    asked = priority;
    return EPERM;
  };
  fake_.write(FakeProbe::kConfig, "realtime_priority = 33\n");
  EXPECT_THAT(line("capture mode"),
              AllOf(StartsWith("warn  capture mode attainable: nice"),
                    HasSubstr("Operation not permitted")));
  EXPECT_EQ(asked, 33);
  fake_.probe.probe_connector = [] {
    return Status(fail("no connector here", ECONNREFUSED));
  };
  EXPECT_THAT(line("capture mode"),
              AllOf(StartsWith("FAIL  capture mode attainable: audit only"),
                    HasSubstr("no connector here")));
}

TEST_F(CheckCapture, NamesTheDropInWhereSystemdDeniesRealTime) {
  fake_.capture = "nice (SCHED_FIFO refused: Operation not permitted)";
  EXPECT_THAT(line("capture mode"),
              AllOf(StartsWith("FAIL"), HasSubstr("daemon-reload"),
                    HasSubstr("overrides " + std::string(kDropIn))));
  fake_.remove(kDropIn);
  EXPECT_THAT(line("capture mode"),
              AllOf(StartsWith("FAIL"),
                    HasSubstr("install the drop-in " + std::string(kDropIn))));
  fake_.end_process(FakeProbe::kPlugin);
  EXPECT_THAT(line("capture mode"),
              AllOf(StartsWith("FAIL  capture mode attainable: nice"),
                    HasSubstr("install the drop-in")));
  fake_.remove("/run/systemd");
  EXPECT_THAT(line("capture mode"), StartsWith("ok"));
}

TEST_F(CheckCapture, TellsLossesAndErrors) {
  fake_.more =
      "drops ring_full: 3\ndrops store_queue_full: 0\nerrors store: 2\n";
  EXPECT_THAT(line("losses since start"),
              StartsWith("warn  losses since start: 3 execs without room in a "
                         "listener's ring;"));
  EXPECT_THAT(line("errors since start"),
              AllOf(StartsWith("warn"), HasSubstr("2 of the database")));
}

// The lines are those of the real report: every key that is looked for is one
// of them, and the mode comes back with its reason.
TEST_F(CheckCapture, UnderstandsWhatThePluginWrites) {
  Metrics metrics;
  for (const MetricInfo& info : metric_table())
    if (info.family == "audisp_preload_drops_total" ||
        info.family == "audisp_preload_errors_total")
      metrics.add(info.metric, 7);
  const StateLines facts{
      {"pid", std::to_string(FakeProbe::kPlugin)},
      {"capture", "nice (SCHED_FIFO refused (why: because))"}};
  fake_.answers = false;
  fake_.write(FakeProbe::kState, state_report(facts, metrics.snapshot()));
  const CheckReport report = fake_.check();
  EXPECT_THAT(line_of(report, "capture mode"),
              HasSubstr("SCHED_FIFO refused (why: because)):"));
  const std::string losses = line_of(report, "losses");
  size_t told = 0;
  for (size_t at = losses.find(" 7 "); at != std::string::npos;
       at = losses.find(" 7 ", at + 1))
    ++told;
  EXPECT_EQ(told, 7U) << losses;
  EXPECT_THAT(line_of(report, "errors"),
              HasSubstr("7 of the database, 7 of delivery"));
}

}  // namespace
}  // namespace preload
