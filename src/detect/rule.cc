// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "preload/base/clock.h"

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

}  // namespace preload
