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
  std::string text = escaped(bytes);
  if (fits(text_size(text), most))
    return text;
  note(field);
  return cut_to(text, most, fmt::format("\\...[{} bytes]", bytes.size()));
}

std::string Cutter::variable(const EnvVar& var, size_t units) {
  const std::string bytes = var.name + '=' + var.value;
  std::string text = escaped(bytes);
  if (text_size(text).units <= units)
    return text;
  note("process.env_vars");
  return cut_to(text, {units, SIZE_MAX},
                fmt::format("\\...[{} bytes, sha256={}]", bytes.size(),
                            hex(sha256(bytes))));
}

}  // namespace preload
