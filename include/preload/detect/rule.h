// SPDX-License-Identifier: Apache-2.0
// The configured rule, ready for use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "preload/base/config.h"
#include "preload/base/result.h"
#include "preload/detect/exception.h"

namespace preload {

// See base/config.h for the meaning of each.
struct Rule {
  std::vector<std::string> fields{"process.env_vars"};
  int64_t history_window_us = 0;  // 0 = first ever
  int64_t interval_us = 0;
  uint32_t max_alerts = 0;
  int64_t learning_until_us = 0;  // wall clock; 0 = not learning
  bool alert_unaudited = true;    // unaudited = alert
  // What the inventory finds was there before the plugin: true until the first
  // inventory of a new database is complete. The daemon sets it.
  bool inventory_is_baseline = false;
  std::vector<Exception> exceptions;

  // True when a term or an exception depends on it.
  [[nodiscard]] bool uses(Field field) const;
};

// The rule of a configuration that was read from `file`, for a database that
// was created at `created_us` (wall clock). The error names file and line.
[[nodiscard]] Result<Rule> make_rule(const Config& config,
                                     std::string_view file, int64_t created_us);

}  // namespace preload
