// SPDX-License-Identifier: Apache-2.0
// Builders of Setting for the kinds of value that several keys share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "preload/base/config.h"

namespace preload {

template <class T>
using Words = std::vector<std::pair<std::string_view, T>>;

// A value that is one of a list of words.
template <class T>
Setting word(std::string_view key, std::string_view allowed, bool restart,
             T Config::*member, Words<T> words) {
  return {key,
          allowed,
          restart,
          false,
          [=](Config& config, std::string_view value, int /*line*/) {
            for (const auto& [name, meaning] : words) {
              if (name != value)
                continue;
              config.*member = meaning;
              return true;
            }
            return false;
          },
          [=](const Config& config) {
            for (const auto& [name, meaning] : words)
              if (meaning == config.*member)
                return std::string(name);
            return std::string();
          }};
}

// A decimal number from `least` to `most`; T is uint32_t or int.
template <class T>
Setting number(std::string_view key, std::string_view allowed, bool restart,
               T Config::*member, uint64_t least, uint64_t most);

// Seconds; at least `least`.
Setting duration(std::string_view key, std::string_view allowed,
                 int64_t Config::*member, int64_t least);

// An absolute path or, if `may_be_off`, the word off.
Setting path(std::string_view key, bool restart, std::string Config::*member,
             bool may_be_off);

// One to `most` different names, separated by commas, that satisfy `valid`.
Setting name_list(std::string_view key, std::string_view allowed,
                  std::vector<std::string> Config::*member, size_t most,
                  bool (*valid)(const std::vector<std::string>& names));

}  // namespace preload
