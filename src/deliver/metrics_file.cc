// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/metrics_file.h"

#include <fmt/format.h>

#include <set>

#include "preload/base/trusted_file.h"

namespace preload {
namespace {

constexpr unsigned kMode = 0644;

void add_head(std::string& text, std::string_view family, std::string_view help,
              std::string_view type) {
  text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", family, help, type);
}

void add_family(std::string& text, const MetricInfo& first,
                const Metrics& metrics) {
  add_head(text, first.family, first.help,
           first.kind == MetricKind::kCounter ? "counter" : "gauge");
  for (const MetricInfo& info : metric_table()) {
    if (info.family != first.family)
      continue;
    text += info.family;
    if (!info.labels.empty())
      text += fmt::format("{{{}}}", info.labels);
    text += fmt::format(" {}\n", metrics.get(info.metric));
  }
}

void add_latency(std::string& text, const Metrics& metrics) {
  constexpr std::string_view kFamily = "audisp_preload_alert_latency_seconds";
  add_head(text, kFamily, "Time from an exec to its alert in the first sink.",
           "histogram");
  const Metrics::Latency latency = metrics.latency();
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

std::string prometheus_text(const Metrics& metrics, std::string_view version) {
  std::string text;
  std::set<std::string_view> done;
  for (const MetricInfo& info : metric_table())
    if (done.insert(info.family).second)
      add_family(text, info, metrics);
  add_latency(text, metrics);
  constexpr std::string_view kBuild = "audisp_preload_build_info";
  add_head(text, kBuild, "Always 1; the label has the version.", "gauge");
  text += fmt::format("{}{{version=\"{}\"}} 1\n", kBuild, version);
  return text;
}

Status write_metrics_file(const std::string& path, const Metrics& metrics) {
  return replace_file(path, prometheus_text(metrics, PRELOAD_VERSION), kMode);
}

}  // namespace preload
