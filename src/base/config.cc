// SPDX-License-Identifier: Apache-2.0
#include "preload/base/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <set>

#include "preload/base/text.h"
#include "preload/base/trusted_file.h"

namespace preload {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;

// Applies one line; empty when it is good, else what is wrong with it.
std::string apply_line(Config& config, std::set<std::string_view>& seen,
                       std::string_view line, int number) {
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos)
    return fmt::format("'{}' is not of the form key = value", escaped(line));
  const std::string_view key = trimmed(line.substr(0, equals));
  const std::string_view value = trimmed(line.substr(equals + 1));
  const auto table = settings();
  const auto setting =
      std::find_if(table.begin(), table.end(),
                   [&](const Setting& s) { return s.key == key; });
  if (setting == table.end()) {
    std::vector<std::string_view> keys;
    for (const Setting& known : table)
      keys.push_back(known.key);
    return fmt::format("unknown key '{}'; known keys are {}", escaped(key),
                       fmt::join(keys, ", "));
  }
  if (!setting->repeatable && !seen.insert(setting->key).second)
    return fmt::format("{} is set a second time; once is allowed", key);
  if (value.empty())
    return fmt::format("{} has no value; allowed: {}", key, setting->allowed);
  if (!setting->set(config, value, number))
    return fmt::format("{} cannot be '{}'; allowed: {}", key, escaped(value),
                       setting->allowed);
  return {};
}

}  // namespace

Result<Config> parse_config(std::string_view text, std::string_view name) {
  Config config;
  std::set<std::string_view> seen;
  int number = 0;
  for (const std::string& line : split(text, '\n')) {
    ++number;
    if (line.empty() || line.front() == '#')
      continue;
    if (const std::string wrong = apply_line(config, seen, line, number);
        !wrong.empty())
      return fail(fmt::format("{}:{}: {}", name, number, wrong));
  }
  return config;
}

Result<Config> load_config(const std::string& path) {
  const auto file = open_trusted(path);
  if (!file)
    return tl::unexpected(file.error());
  const auto text = read_all(*file, kMaxFileBytes, path);
  if (!text)
    return tl::unexpected(text.error());
  return parse_config(*text, path);
}

int64_t effective_retention(const Config& config) {
  if (config.history_window == 0)
    return 0;
  return std::max(config.retention, config.history_window);
}

std::vector<std::string> keep_restart_keys(const Config& before,
                                           Config& after) {
  std::vector<std::string> changed;
  for (const Setting& setting : settings())
    if (setting.needs_restart && setting.get(before) != setting.get(after)) {
      changed.emplace_back(setting.key);
      setting.set(after, setting.get(before), 0);
    }
  return changed;
}

}  // namespace preload
