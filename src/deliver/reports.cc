// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/reports.h"

#include <fmt/format.h>

#include <array>
#include <set>
#include <string_view>

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
  return fmt::format("{}{}{}", family, info.value.empty() ? "" : " ",
                     info.value);
}

// Of audited execs, how many were captured before their first instruction.
std::string at_exec_percent(const Metrics::Snapshot& numbers) {
  constexpr std::array<Metric, 6> kAudited{
      Metric::kCapturedAtExec, Metric::kCapturedLate,
      Metric::kMissedExited,   Metric::kMissedDenied,
      Metric::kMissedReplaced, Metric::kMissedUnreadable};
  uint64_t all = 0;
  for (Metric metric : kAudited)
    all += numbers.get(metric);
  if (all == 0)
    return "no execs yet";
  return fmt::format(
      "{:.3f} %",
      100.0 * static_cast<double>(numbers.get(Metric::kCapturedAtExec)) /
          static_cast<double>(all));
}

void add_head(std::string& text, std::string_view family, std::string_view help,
              std::string_view type) {
  text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", family, help, type);
}

void add_family(std::string& text, const MetricInfo& first,
                const Metrics::Snapshot& numbers) {
  add_head(text, first.family, first.help,
           first.counter() ? "counter" : "gauge");
  for (const MetricInfo& info : metric_table()) {
    if (info.family != first.family)
      continue;
    text += info.family;
    if (!info.label.empty())
      text += fmt::format("{{{}=\"{}\"}}", info.label, info.value);
    text += fmt::format(" {}\n", numbers.get(info.metric));
  }
}

void add_latency(std::string& text, const Metrics::Snapshot& numbers) {
  constexpr std::string_view kFamily = "audisp_preload_alert_latency_seconds";
  add_head(text, kFamily, "Time from an exec to its alert in the first sink.",
           "histogram");
  const Metrics::Latency& latency = numbers.latency;
  for (size_t i = 0; i < latency.buckets.size(); ++i) {
    const std::string bound =
        i < Metrics::kLatencyBounds.size()
            ? fmt::format("{}", Metrics::kLatencyBounds[i])
            : "+Inf";
    text += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", kFamily, bound,
                        latency.buckets[i]);
  }
  text += fmt::format("{0}_sum {1}\n{0}_count {2}\n", kFamily,
                      latency.sum_seconds, latency.count);
}

}  // namespace

std::string state_report(const std::string& facts,
                         const Metrics::Snapshot& numbers) {
  std::string text = facts;
  const auto line = [&](std::string_view key, std::string_view value) {
    text += fmt::format("{}: {}\n", key, value);
  };
  line("captured at exec", at_exec_percent(numbers));
  for (const MetricInfo& info : metric_table())
    line(words(info), std::to_string(numbers.get(info.metric)));
  const Metrics::Latency& latency = numbers.latency;
  if (latency.count > 0)
    line("mean alert latency",
         fmt::format("{:.4f} s over {} alerts",
                     latency.sum_seconds / static_cast<double>(latency.count),
                     latency.count));
  return text;
}

std::string prometheus_report(const Metrics::Snapshot& numbers) {
  std::string text;
  std::set<std::string_view> done;
  for (const MetricInfo& info : metric_table())
    if (done.insert(info.family).second)
      add_family(text, info, numbers);
  add_latency(text, numbers);
  constexpr std::string_view kBuild = "audisp_preload_build_info";
  add_head(text, kBuild, "Always 1; the label has the version.", "gauge");
  text += fmt::format("{}{{version=\"{}\"}} 1\n", kBuild, PRELOAD_VERSION);
  return text;
}

}  // namespace preload
