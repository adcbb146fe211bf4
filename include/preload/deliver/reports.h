// SPDX-License-Identifier: Apache-2.0
// What the counters say, for people (the state file) and for Prometheus
// (`metrics_file`).
#pragma once

#include <string>

#include "preload/base/metrics.h"

namespace preload {

// `key: value` lines: `facts`, then the counters, `execs captured_at_exec: 12`.
// logrotate and scripts read the line `pid:`.
[[nodiscard]] std::string state_report(const std::string& facts,
                                       const Metrics::Snapshot& numbers);

// For the textfile collector of node_exporter: Prometheus' text format, version
// 0.0.4, without time stamps (the collector refuses them). All of
// metric_table() by family, the latency histogram
// audisp_preload_alert_latency_seconds and audisp_preload_build_info. No label
// carries anything from outside.
[[nodiscard]] std::string prometheus_report(const Metrics::Snapshot& numbers);

}  // namespace preload
