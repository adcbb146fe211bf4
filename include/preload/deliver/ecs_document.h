// SPDX-License-Identifier: Apache-2.0
// A document under construction: fields by their path, strings from outside
// made to fit. See ecs_format.h for the form of one that was cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

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

// Paths are as ECS writes them, "process.parent.pid".
class EcsDocument {
 public:
  explicit EcsDocument(const EcsBounds& bounds) : bounds_(bounds) {}

  [[nodiscard]] const EcsBounds& bounds() const { return bounds_; }

  void set(std::string_view path, nlohmann::json value);
  // Sets a string that fit() makes of `bytes`; nothing for an empty one.
  void text(std::string_view path, std::string_view bytes,
            std::optional<TextSize> most = {});
  // Sets a list: what `list` has already, then `items` as `fit` makes them, up
  // to `left` bytes of JSON.
  template <class Items, class Fit>
  void list(std::string_view path, nlohmann::json list, const Items& items,
            size_t left, Fit fit) {
    for (const auto& item : items) {
      std::string text = fit(item);
      const size_t bytes = text_size(text).bytes + 3;  // quotes and comma
      if (bytes > left) {
        note_cut(path);
        break;
      }
      left -= bytes;
      list.push_back(std::move(text));
    }
    set(path, std::move(list));
  }
  // Sets an id, as a string; nothing for kUnsetId.
  void id(std::string_view path, uint32_t id);

  // Escapes `bytes` and cuts them to the bound of a string, or to `most`.
  std::string fit(std::string_view path, std::string_view bytes,
                  std::optional<TextSize> most = {});
  // NAME=value; when cut, with the digest that keeps it apart from others.
  std::string fit_variable(const EnvVar& var, size_t units);

  // Something of the field was left out.
  void note_cut(std::string_view path) { cut_.emplace(path); }

  // One line, with the fields that lost something in audisp_preload.cut.
  [[nodiscard]] std::string line();

 private:
  const EcsBounds& bounds_;  // of the table in ecs_format.cc
  nlohmann::json json_;
  std::set<std::string, std::less<>> cut_;
};

}  // namespace preload
