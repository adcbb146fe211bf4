// SPDX-License-Identifier: Apache-2.0
#include "preload/base/setting_kinds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "preload/base/text.h"

namespace preload {
namespace {

constexpr int64_t kMaxDuration = int64_t{100} * 366 * kDay;

}  // namespace

template <class T>
Setting number(std::string_view key, std::string_view allowed, bool restart,
               T Config::*member, uint64_t least, uint64_t most) {
  return {
      key,
      allowed,
      restart,
      false,
      [=](Config& config, std::string_view value, int /*line*/) {
        const auto parsed = parse_unsigned(value);
        if (!parsed || *parsed < least || *parsed > most)
          return false;
        config.*member = static_cast<T>(*parsed);
        return true;
      },
      [=](const Config& config) { return fmt::format("{}", config.*member); }};
}
template Setting number(std::string_view, std::string_view, bool, int Config::*,
                        uint64_t, uint64_t);
template Setting number(std::string_view, std::string_view, bool,
                        uint32_t Config::*, uint64_t, uint64_t);

Setting duration(std::string_view key, std::string_view allowed,
                 int64_t Config::*member, int64_t least) {
  return {key,
          allowed,
          false,
          false,
          [=](Config& config, std::string_view value, int /*line*/) {
            const auto parsed = parse_duration(value, kMaxDuration);
            if (!parsed || *parsed < least)
              return false;
            config.*member = *parsed;
            return true;
          },
          [=](const Config& config) { return duration_text(config.*member); }};
}

Setting path(std::string_view key, bool restart, std::string Config::*member,
             bool may_be_off) {
  return {key,
          may_be_off ? "an absolute path, or off" : "an absolute path",
          restart,
          false,
          [=](Config& config, std::string_view value, int /*line*/) {
            if (value.front() != '/' && !(may_be_off && value == "off"))
              return false;
            config.*member = value;
            return true;
          },
          [=](const Config& config) { return config.*member; }};
}

Setting name_list(std::string_view key, std::string_view allowed,
                  std::vector<std::string> Config::*member, size_t most,
                  bool (*valid)(const std::vector<std::string>& names)) {
  return {key,
          allowed,
          false,
          false,
          [=](Config& config, std::string_view value, int /*line*/) {
            std::vector<std::string> names = split(value, ',');
            const std::set<std::string_view> distinct(names.begin(),
                                                      names.end());
            if (names.size() > most || distinct.size() != names.size() ||
                !valid(names))
              return false;
            config.*member = std::move(names);
            return true;
          },
          [=](const Config& config) {
            return fmt::format("{}", fmt::join(config.*member, ","));
          }};
}

}  // namespace preload
