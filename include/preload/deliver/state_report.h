// SPDX-License-Identifier: Apache-2.0
// The state file (SIGUSR1): what an operator wants to know, as `key: value`
// lines. logrotate and scripts read the line `pid:`.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "preload/base/metrics.h"

namespace preload {

// What the counters do not tell. Strings are one line each, safe to print.
struct StateFacts {
  int32_t pid = 0;
  int64_t started_us = 0;  // wall clock
  int64_t written_us = 0;
  std::string config_file;
  std::string capture_mode;    // the rung: realtime, nice, audit
  std::string capture_reason;  // why no higher one; may be empty
  // More lines, in this order, after those above.
  std::vector<std::pair<std::string, std::string>> more;
};

// The counters follow the facts: `execs captured_at_exec: 12`.
[[nodiscard]] std::string state_report(const StateFacts& facts,
                                       const Metrics& metrics);

}  // namespace preload
