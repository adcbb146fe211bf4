// SPDX-License-Identifier: Apache-2.0
#include "preload/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <iterator>

#include "preload/base/clock.h"

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
  size_t length = 0;
  if (lead >= 0xc2 && lead <= 0xdf)
    length = 2;
  if (lead >= 0xe0 && lead <= 0xef)
    length = 3;
  if (lead >= 0xf0 && lead <= 0xf4)
    length = 4;
  if (length == 0 || s.size() < length)
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

std::optional<char> unhex(std::string_view two) {
  uint8_t value = 0;
  const auto [end, error] =
      std::from_chars(two.data(), two.data() + two.size(), value, 16);
  if (two.size() != 2 || error != std::errc{} || end != two.data() + 2)
    return std::nullopt;
  return static_cast<char>(value);
}

constexpr std::string_view kBlanks = " \t\r";

}  // namespace

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

std::string escaped(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
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
      const auto byte = unhex(text.substr(i + 2, 2));
      if (!byte)
        return std::nullopt;
      out += *byte;
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

size_t utf8_length(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(),
      [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

std::string hex(std::string_view bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (char byte : bytes)
    append_hex(out, byte);
  return out;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.emplace_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos)
      return parts;
    text.remove_prefix(end + 1);
  }
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
    for (char c : argument) {
      if (c == '\'') {
        out += "'\\''";
      } else {
        out += c;
      }
    }
    out += '\'';
  }
  return out;
}

std::string iso_time(int64_t wall_us) {
  // Floor, so that times before the epoch do not count backwards.
  int64_t seconds = wall_us / kMicrosPerSecond;
  int64_t micros = wall_us % kMicrosPerSecond;
  if (micros < 0) {
    micros += kMicrosPerSecond;
    --seconds;
  }
  const auto time = static_cast<time_t>(seconds);
  tm utc{};
  if (::gmtime_r(&time, &utc) == nullptr)
    return "invalid";
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                     utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, micros / 1000);
}

std::string duration_text(int64_t seconds) {
  struct Unit {
    int64_t seconds;
    char letter;
  };
  constexpr std::array<Unit, 4> kUnits{
      {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}}};
  if (seconds == 0)
    return "0";
  for (const Unit& unit : kUnits)
    if (seconds % unit.seconds == 0)
      return fmt::format("{}{}", seconds / unit.seconds, unit.letter);
  return {};
}

}  // namespace preload
