// SPDX-License-Identifier: Apache-2.0
// Metrics for the textfile collector of node_exporter: Prometheus' text format,
// version 0.0.4, without time stamps (the collector refuses them). No label
// carries anything from outside.
#pragma once

#include <string>
#include <string_view>

#include "preload/base/metrics.h"
#include "preload/base/result.h"

namespace preload {

// All of metric_table() by family, the latency histogram
// audisp_preload_alert_latency_seconds and audisp_preload_build_info.
[[nodiscard]] std::string prometheus_text(const Metrics& metrics,
                                          std::string_view version);

// Replaces `path` (*.prom, or the collector does not read it), readable by all.
[[nodiscard]] Status write_metrics_file(const std::string& path,
                                        const Metrics& metrics);

}  // namespace preload
