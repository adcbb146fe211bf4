// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/ecs_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "preload/base/digest.h"
#include "preload/base/text.h"

namespace preload {
namespace {

void add(TextSize& size, char c) {
  const auto byte = static_cast<uint8_t>(c);
  size.bytes += c == '"' || c == '\\' ? 2 : 1;
  if ((byte & 0xc0U) != 0x80U)
    size.units += byte >= 0xf0 ? 2 : 1;
}

bool fits(const TextSize& size, const TextSize& most) {
  return size.units <= most.units && size.bytes <= most.bytes;
}

// The longest prefix that fits and ends between characters.
std::string_view prefix(std::string_view text, const TextSize& most) {
  TextSize taken;
  size_t size = 0;
  for (char c : text) {
    add(taken, c);
    if (!fits(taken, most))
      break;
    ++size;
  }
  return escaped_prefix(text, size);
}

// The escaped form, or enough of it to see that it does not fit: a byte makes
// at least a third of a unit and one byte of JSON.
std::string escaped_head(std::string_view bytes, const TextSize& most) {
  constexpr size_t kMore = 8;
  const size_t units = most.units < SIZE_MAX / 4 ? most.units * 4 : SIZE_MAX;
  const size_t enough = std::min(units, most.bytes);
  return escaped(bytes.substr(0, enough < SIZE_MAX ? enough + kMore : enough));
}

// `text` cut so that it fits with `note` after it.
std::string cut_to(std::string_view text, const TextSize& most,
                   std::string_view note) {
  const TextSize tail = text_size(note);
  const TextSize room{most.units - std::min(most.units, tail.units),
                      most.bytes - std::min(most.bytes, tail.bytes)};
  std::string cut(prefix(text, room));
  cut += note;
  return cut;
}

}  // namespace

TextSize text_size(std::string_view text) {
  TextSize size;
  for (char c : text)
    add(size, c);
  return size;
}

void EcsDocument::set(std::string_view path, nlohmann::json value) {
  nlohmann::json* node = &json_;
  for (const std::string& key : split(path, '.'))
    node = &(*node)[key];
  *node = std::move(value);
}

void EcsDocument::text(std::string_view path, std::string_view bytes,
                       std::optional<TextSize> most) {
  if (!bytes.empty())
    set(path, fit(path, bytes, most));
}

void EcsDocument::id(std::string_view path, uint32_t id) {
  if (id != kUnsetId)
    set(path, std::to_string(id));
}

std::string EcsDocument::fit(std::string_view path, std::string_view bytes,
                             std::optional<TextSize> most) {
  const TextSize room =
      most.value_or(TextSize{kEcsKeywordUnits, bounds_.string_bytes});
  std::string text = escaped_head(bytes, room);
  if (fits(text_size(text), room))
    return text;
  note_cut(path);
  return cut_to(text, room, fmt::format("\\...[{} bytes]", bytes.size()));
}

std::string EcsDocument::fit_variable(const EnvVar& var, size_t units) {
  const std::string bytes = var.name + '=' + var.value;
  const TextSize most{units, SIZE_MAX};
  std::string text = escaped_head(bytes, most);
  if (fits(text_size(text), most))
    return text;
  note_cut("process.env_vars");
  return cut_to(text, most,
                fmt::format("\\...[{} bytes, sha256={}]", bytes.size(),
                            hex(sha256(bytes))));
}

std::string EcsDocument::line() {
  if (!cut_.empty())
    set("audisp_preload.cut", cut_);
  return json_.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace preload
