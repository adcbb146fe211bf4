// SPDX-License-Identifier: Apache-2.0
// The names of `capture_env_vars`, made ready for matching.
#pragma once

#include <bitset>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace preload {

// Immutable: threads share one without locks.
class WatchList {
 public:
  // Names as the configuration has them: exact, or a prefix followed by `*`.
  explicit WatchList(std::span<const std::string> names);

  bool operator==(const WatchList&) const = default;

  // True when the variable `name` is watched.
  [[nodiscard]] bool matches(std::string_view name) const;

  // False when no watched name begins with `byte`: the quick way past most
  // strings of an environment.
  [[nodiscard]] bool may_begin_with(char byte) const {
    return first_[static_cast<unsigned char>(byte)];
  }

 private:
  std::vector<std::string> exact_;
  std::vector<std::string> prefixes_;
  std::bitset<256> first_;
};

}  // namespace preload
