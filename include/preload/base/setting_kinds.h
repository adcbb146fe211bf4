// SPDX-License-Identifier: Apache-2.0
// Builders of Setting for the kinds of value that several keys share.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "preload/base/config.h"
#include "preload/base/text.h"

namespace preload {

inline constexpr int64_t kMaxDuration = int64_t{100} * 366 * kDay;

template <class T>
using Words = std::vector<std::pair<std::string_view, T>>;

// A value that is one of a list of words.
template <class T>
Setting word(std::string_view key, std::string_view allowed, bool restart,
             T Config::*member, Words<T> words) {
  Setting setting{key, allowed, restart};
  setting.set = [=](Config& config, std::string_view value, int /*line*/) {
    for (const auto& [name, meaning] : words) {
      if (name != value)
        continue;
      config.*member = meaning;
      return true;
    }
    return false;
  };
  setting.get = [=](const Config& config) {
    for (const auto& [name, meaning] : words)
      if (meaning == config.*member)
        return std::string(name);
    return std::string();
  };
  return setting;
}

// A decimal number from `least` to `most`; T is uint32_t or int.
template <class T>
Setting number(std::string_view key, std::string_view allowed, bool restart,
               T Config::*member, uint64_t least, uint64_t most) {
  Setting setting{key, allowed, restart};
  setting.set = [=](Config& config, std::string_view value, int /*line*/) {
    const auto parsed = parse_unsigned(value);
    if (!parsed || *parsed < least || *parsed > most)
      return false;
    config.*member = static_cast<T>(*parsed);
    return true;
  };
  setting.get = [=](const Config& config) {
    return fmt::format("{}", config.*member);
  };
  return setting;
}

// Seconds; at least `least`.
inline Setting duration(std::string_view key, int64_t Config::*member,
                        int64_t least) {
  Setting setting{key, least == 0
                           ? "a duration such as 30d, 12h, 5m or 90s, or 0"
                           : "a duration such as 30d, 12h, 5m or 90s"};
  setting.set = [=](Config& config, std::string_view value, int /*line*/) {
    const auto parsed = parse_duration(value, kMaxDuration);
    if (!parsed || *parsed < least)
      return false;
    config.*member = *parsed;
    return true;
  };
  setting.get = [=](const Config& config) {
    return duration_text(config.*member);
  };
  return setting;
}

// An absolute path or, if `may_be_off`, the word off.
inline Setting path(std::string_view key, bool restart,
                    std::string Config::*member, bool may_be_off) {
  Setting setting{key,
                  may_be_off ? "an absolute path, or off" : "an absolute path",
                  restart};
  setting.set = [=](Config& config, std::string_view value, int /*line*/) {
    if (value.front() != '/' && !(may_be_off && value == "off"))
      return false;
    config.*member = value;
    return true;
  };
  setting.get = [=](const Config& config) { return config.*member; };
  return setting;
}

// One to `most` different names, separated by commas, that satisfy `valid`.
inline Setting name_list(std::string_view key, std::string_view allowed,
                         std::vector<std::string> Config::*member, size_t most,
                         bool (*valid)(const std::vector<std::string>& names)) {
  Setting setting{key, allowed};
  setting.set = [=](Config& config, std::string_view value, int /*line*/) {
    std::vector<std::string> names = split(value, ',');
    const std::set<std::string_view> distinct(names.begin(), names.end());
    if (names.size() > most || distinct.size() != names.size() || !valid(names))
      return false;
    config.*member = std::move(names);
    return true;
  };
  setting.get = [=](const Config& config) {
    return fmt::format("{}", fmt::join(config.*member, ","));
  };
  return setting;
}

}  // namespace preload
