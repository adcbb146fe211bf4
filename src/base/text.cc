// SPDX-License-Identifier: Apache-2.0
#include "preload/base/text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <chrono>

namespace preload {
namespace {

struct Range {
  uint32_t first, last;
};

// What a terminal or a line-based collector could take for structure.
constexpr std::array<Range, 13> kUnprintable{{{0x00, 0x1f},
                                              {0x7f, 0x9f},
                                              {0xad, 0xad},
                                              {0x061c, 0x061c},
                                              {0x180e, 0x180e},
                                              {0x200b, 0x200f},
                                              {0x2028, 0x202e},
                                              {0x2060, 0x206f},
                                              {0xe000, 0xf8ff},
                                              {0xfdd0, 0xfdef},
                                              {0xfeff, 0xfeff},
                                              {0xfff0, 0xfffb},
                                              {0xe0000, 0x10ffff}}};

bool printable(uint32_t point) {
  if ((point & 0xfffeU) == 0xfffeU)
    return false;  // noncharacters
  return std::none_of(kUnprintable.begin(), kUnprintable.end(), [&](Range r) {
    return r.first <= point && point <= r.last;
  });
}

uint8_t byte_at(std::string_view s, size_t i) {
  return static_cast<uint8_t>(s[i]);
}

struct Character {
  size_t length = 1;  // bytes
  bool plain = false;
};

// The character at the start of `s` (not empty). Bytes that begin no valid
// one, overlong forms and surrogates among them, come singly and not plain.
Character character_at(std::string_view s) {
  const uint8_t lead = byte_at(s, 0);
  if (lead < 0x80)
    return {1, printable(lead)};
  if (lead < 0xc2 || lead > 0xf4)
    return {};
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (s.size() < length)
    return {};
  uint32_t point = lead & (0x7fU >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte_at(s, i) & 0xc0) != 0x80)
      return {};
    point = (point << 6) | (byte_at(s, i) & 0x3fU);
  }
  constexpr std::array<uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  if (point < kLeast[length] || surrogate || point > 0x10ffff)
    return {};
  return {length, printable(point)};
}

constexpr std::string_view kHexDigits = "0123456789abcdef";

void append_hex(std::string& out, char byte) {
  const auto value = static_cast<uint8_t>(byte);
  out += kHexDigits[value >> 4];
  out += kHexDigits[value & 0xf];
}

struct Unit {
  int64_t seconds;
  char letter;
};
constexpr std::array<Unit, 4> kUnits{
    {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}}};

void append_escaped(std::string& out, std::string_view bytes, bool quote) {
  while (!bytes.empty()) {
    const Character c = character_at(bytes);
    if (bytes[0] == '\\' || (quote && bytes[0] == '"')) {
      out += '\\';
      out += bytes[0];
    } else if (c.plain) {
      out += bytes.substr(0, c.length);
    } else {
      for (char byte : bytes.substr(0, c.length)) {
        out += "\\x";
        append_hex(out, byte);
      }
    }
    bytes.remove_prefix(c.length);
  }
}

}  // namespace

std::string escaped(std::string_view bytes) {
  std::string out;
  append_escaped(out, bytes, false);
  return out;
}

std::string in_quotes(std::string_view bytes) {
  std::string out = "\"";
  append_escaped(out, bytes, true);
  out += '"';
  return out;
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
    } else if (i + 1 < text.size() &&
               (text[i + 1] == '\\' || text[i + 1] == '"')) {
      out += text[++i];
    } else if (i + 3 < text.size() && text[i + 1] == 'x') {
      const auto byte = parse_number<uint8_t>(text.substr(i + 2, 2), 16);
      if (!byte)
        return std::nullopt;
      out += static_cast<char>(*byte);
      i += 3;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::string_view escaped_prefix(std::string_view text, size_t limit) {
  size_t taken = 0;
  while (taken < text.size()) {
    const std::string_view rest = text.substr(taken);
    size_t length = character_at(rest).length;
    if (rest[0] == '\\')
      length = rest.substr(0, 2) == "\\x" ? 4 : 2;
    if (taken + length > limit || length > rest.size())
      break;
    taken += length;
  }
  return text.substr(0, taken);
}

std::string hex(std::string_view bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (char byte : bytes)
    append_hex(out, byte);
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.emplace_back(trimmed(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return parts;
}

std::string_view basename_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

std::string command_line(const std::vector<std::string>& argv) {
  std::string out;
  for (const std::string& argument : argv) {
    if (!out.empty())
      out += ' ';
    if (!argument.empty() &&
        argument.find_first_of(" \t\n\"'") == std::string::npos) {
      out += argument;
      continue;
    }
    out += '\'';
    for (const char& c : argument)
      out += c == '\'' ? "'\\''" : std::string_view(&c, 1);
    out += '\'';
  }
  return out;
}

std::string iso_time(int64_t wall_us) {
  using namespace std::chrono;
  const microseconds time(wall_us);
  // Floor, so that times before the epoch do not count backwards.
  const auto whole = floor<seconds>(time);
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(whole.count()),
                     floor<milliseconds>(time - whole).count());
}

std::string duration_text(int64_t seconds) {
  if (seconds == 0)
    return "0";
  for (const Unit& unit : kUnits)
    if (seconds % unit.seconds == 0)
      return fmt::format("{}{}", seconds / unit.seconds, unit.letter);
  return {};
}

std::optional<int64_t> parse_duration(std::string_view text, int64_t most) {
  if (text == "0")
    return 0;
  for (const Unit& unit : kUnits)
    if (text.ends_with(unit.letter)) {
      const auto count = parse_unsigned(text.substr(0, text.size() - 1));
      if (count && *count <= static_cast<uint64_t>(most / unit.seconds))
        return static_cast<int64_t>(*count) * unit.seconds;
    }
  return std::nullopt;
}

}  // namespace preload
