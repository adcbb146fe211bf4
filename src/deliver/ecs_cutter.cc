// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/ecs_cutter.h"

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

std::string Cutter::string(std::string_view field, std::string_view bytes) {
  return string(field, bytes, {kEcsKeywordUnits, bounds_.string_bytes});
}

std::string Cutter::string(std::string_view field, std::string_view bytes,
                           const TextSize& most) {
  std::string text = escaped_head(bytes, most);
  if (fits(text_size(text), most))
    return text;
  note(field);
  return cut_to(text, most, fmt::format("\\...[{} bytes]", bytes.size()));
}

std::string Cutter::variable(const EnvVar& var, size_t units) {
  const std::string bytes = var.name + '=' + var.value;
  const TextSize most{units, SIZE_MAX};
  std::string text = escaped_head(bytes, most);
  if (fits(text_size(text), most))
    return text;
  note("process.env_vars");
  return cut_to(text, most,
                fmt::format("\\...[{} bytes, sha256={}]", bytes.size(),
                            hex(sha256(bytes))));
}

}  // namespace preload
