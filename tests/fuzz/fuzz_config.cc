// SPDX-License-Identifier: Apache-2.0
// Configuration files of any content. One that is taken says in its own words
// what it means: written out and read again it is the same.
#include <string>

#include "fuzz.h"
#include "preload/base/config.h"
#include "preload/base/text.h"
#include "preload/detect/new_terms.h"

namespace preload {
namespace {

std::string written(const Config& config) {
  std::string text;
  for (const Setting& setting : settings()) {
    const std::string value = setting.get(config);
    if (setting.repeatable) {
      for (const ExceptionLine& line : config.exceptions)
        text += std::string(setting.key) + "=" + line.text + "\n";
    } else {
      text += std::string(setting.key) + "=" + value + "\n";
    }
  }
  return text;
}

}  // namespace

void fuzz_one(std::string_view input) {
  auto config = parse_config(input, "conf");
  if (!config) {
    const std::string said = config.error().message();
    check(said.starts_with("conf:"), "an error says where");
    return;
  }
  auto again = parse_config(written(*config), "written");
  check(again.has_value(), "its own words are taken");
  // Lines have moved.
  check(again->exceptions.size() == config->exceptions.size(), "exceptions");
  for (size_t i = 0; i < config->exceptions.size(); ++i)
    again->exceptions[i].line = config->exceptions[i].line;
  check(*again == *config, "the same configuration");
  check(keep_restart_keys(*config, *again).empty(), "nothing has changed");
  const auto rule = make_rule(*config, "conf", 0);
  if (!rule)
    check(rule.error().message().find("conf") != std::string::npos,
          "an error says where");
}

}  // namespace preload
