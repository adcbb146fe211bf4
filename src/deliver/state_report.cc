// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/state_report.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "preload/base/text.h"

namespace preload {
namespace {

// "execs captured_at_exec" for audisp_preload_execs_total and
// outcome="captured_at_exec".
std::string words(const MetricInfo& info) {
  constexpr std::string_view kPrefix = "audisp_preload_";
  constexpr std::string_view kSuffix = "_total";
  std::string_view family = info.family;
  if (family.starts_with(kPrefix))
    family.remove_prefix(kPrefix.size());
  if (family.ends_with(kSuffix))
    family.remove_suffix(kSuffix.size());
  std::string text(family);
  const size_t open = info.labels.find('"');
  if (open != std::string_view::npos) {
    text += ' ';
    text += info.labels.substr(open + 1, info.labels.rfind('"') - open - 1);
  }
  return text;
}

// Of audited execs, how many were captured before their first instruction.
std::string at_exec_percent(const Metrics& metrics) {
  constexpr std::array<Metric, 6> kAudited{
      Metric::kCapturedAtExec, Metric::kCapturedLate,
      Metric::kMissedExited,   Metric::kMissedDenied,
      Metric::kMissedReplaced, Metric::kMissedUnreadable};
  uint64_t all = 0;
  for (Metric metric : kAudited)
    all += metrics.get(metric);
  if (all == 0)
    return "no execs yet";
  return fmt::format(
      "{:.3f} %",
      100.0 * static_cast<double>(metrics.get(Metric::kCapturedAtExec)) /
          static_cast<double>(all));
}

}  // namespace

std::string state_report(const StateFacts& facts, const Metrics& metrics) {
  std::string text;
  const auto line = [&](std::string_view key, std::string_view value) {
    text += fmt::format("{}: {}\n", key, value);
  };
  line("version", PRELOAD_VERSION);
  line("pid", std::to_string(facts.pid));
  line("started", iso_time(facts.started_us));
  line("written", iso_time(facts.written_us));
  line("configuration", facts.config_file);
  line("capture",
       facts.capture_reason.empty()
           ? facts.capture_mode
           : fmt::format("{} ({})", facts.capture_mode, facts.capture_reason));
  for (const auto& [key, value] : facts.more)
    line(key, value);
  line("captured at exec", at_exec_percent(metrics));
  for (const MetricInfo& info : metric_table())
    line(words(info), std::to_string(metrics.get(info.metric)));
  const Metrics::Latency latency = metrics.latency();
  if (latency.count > 0)
    line("mean alert latency",
         fmt::format("{:.4f} s over {} alerts",
                     latency.sum_seconds / static_cast<double>(latency.count),
                     latency.count));
  return text;
}

}  // namespace preload
