// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/rule.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "preload/base/clock.h"
#include "preload/base/text.h"

namespace preload {

bool Rule::uses(Field field) const {
  const auto of_field = [&](const Condition& condition) {
    return condition.field == field;
  };
  return std::find(fields.begin(), fields.end(), to_string(field)) !=
             fields.end() ||
         std::any_of(exceptions.begin(), exceptions.end(),
                     [&](const Exception& exception) {
                       return std::any_of(exception.conditions.begin(),
                                          exception.conditions.end(), of_field);
                     });
}

Result<Rule> make_rule(const Config& config, std::string_view file,
                       int64_t created_us) {
  Rule rule;
  rule.fields = config.new_terms_fields;
  rule.history_window_us = config.history_window * kMicrosPerSecond;
  rule.interval_us = config.interval * kMicrosPerSecond;
  rule.max_alerts = config.max_alerts;
  if (config.learning_period != 0)
    rule.learning_until_us =
        created_us + config.learning_period * kMicrosPerSecond;
  rule.alert_unaudited = config.unaudited == UnauditedPolicy::kAlert;
  for (const ExceptionLine& line : config.exceptions) {
    auto exception = parse_exception(line);
    if (!exception)
      return fail(fmt::format("{}:{}: exception: {}", file, line.line,
                              exception.error().message()));
    rule.exceptions.push_back(std::move(*exception));
  }
  return rule;
}

std::vector<std::string> rule_text(const Rule& rule) {
  std::vector<std::string> words;
  words.push_back(
      rule.fields.size() == 1
          ? fmt::format("alerts on a new value of {}", rule.fields[0])
          : fmt::format("alerts on a new combination of values of {}",
                        fmt::join(rule.fields, ", ")));
  words.push_back(
      rule.history_window_us == 0
          ? "new is what was never seen on this machine"
          : fmt::format(
                "new is what was not seen on this machine for {}",
                duration_text(rule.history_window_us / kMicrosPerSecond)));
  words.push_back(fmt::format(
      "sends at most {} alerts in {}, keeps the rest and sums it up",
      rule.max_alerts, duration_text(rule.interval_us / kMicrosPerSecond)));
  if (rule.learning_until_us != 0)
    words.push_back(fmt::format("records without alerts until {}",
                                iso_time(rule.learning_until_us)));
  if (!rule.alert_unaudited)
    words.emplace_back("raises no alert for execs that audit did not report");
  words.push_back(fmt::format("has {} exception{}", rule.exceptions.size(),
                              rule.exceptions.size() == 1 ? "" : "s"));
  return words;
}

}  // namespace preload
