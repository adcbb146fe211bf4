// SPDX-License-Identifier: Apache-2.0
// Makes strings from outside fit a document. See ecs_format.h for the form of
// one that was cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "preload/capture/exec_snapshot.h"

namespace preload {

// ECS does not index a keyword above this many UTF-16 code units, which is how
// Elasticsearch counts characters.
inline constexpr size_t kEcsKeywordUnits = 1024;

// How long an escaped text is.
struct TextSize {
  size_t units = 0;  // UTF-16 code units
  size_t bytes = 0;  // between the quotes of JSON
};
[[nodiscard]] TextSize text_size(std::string_view text);

// How much of what comes from outside a document may hold; bytes are of JSON.
struct EcsBounds {
  size_t string_bytes;  // one string
  size_t args_bytes;    // all of process.args
  size_t command_bytes;
  size_t env_units;   // one element of process.env_vars
  size_t env_bytes;   // all of them but the alert's own
  size_t term_units;  // the alert's own: cut shorter, it is another term
  size_t libraries;
};

// Escapes, cuts, and keeps a list of the fields that lost something. Each
// document has its own.
class Cutter {
 public:
  explicit Cutter(const EcsBounds& bounds) : bounds_(bounds) {}

  [[nodiscard]] const EcsBounds& bounds() const { return bounds_; }

  // `bytes` within the bound of a string, or within `most`.
  std::string string(std::string_view field, std::string_view bytes);
  std::string string(std::string_view field, std::string_view bytes,
                     const TextSize& most);
  // NAME=value; when cut, with the digest that keeps it apart from others.
  std::string variable(const EnvVar& var, size_t units);

  // Something of `field` was left out.
  void note(std::string_view field) { cut_.emplace(field); }
  [[nodiscard]] const std::set<std::string, std::less<>>& cut() const {
    return cut_;
  }

 private:
  const EcsBounds& bounds_;  // of the table in ecs_format.cc
  std::set<std::string, std::less<>> cut_;
};

}  // namespace preload
