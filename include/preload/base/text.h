// SPDX-License-Identifier: Apache-2.0
// Bytes that attackers choose, made safe to print, and back.
//
// One escaped form serves the database's text columns, the syslog line and the
// JSON documents. It is valid, printable UTF-8 and loses nothing:
//
//   byte or character                               written as
//   backslash                                       \\                  .
//   " (only inside quotes, see in_quotes())            \"
//   part of no valid UTF-8 character                \xNN, lower case
//   control, line or paragraph separator,
//   bidirectional or zero-width mark,
//   noncharacter, private use, tag                  \xNN for each of its bytes
//   everything else                                 itself
//
// \xNN rather than \uNNNN, because values are bytes, not text.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace preload {

// The escaped form of `bytes`.
[[nodiscard]] std::string escaped(std::string_view bytes);

// "bytes" in double quotes, for one field of a key=value line.
[[nodiscard]] std::string in_quotes(std::string_view bytes);

// The bytes behind an escaped form (with or without escaped quotes). Nothing
// when `text` is not one.
[[nodiscard]] std::optional<std::string> unescaped(std::string_view text);

// The longest prefix of escaped `text` of at most `limit` bytes that ends
// neither inside a UTF-8 character nor inside an escape.
[[nodiscard]] std::string_view escaped_prefix(std::string_view text,
                                              size_t limit);

// Lower-case hexadecimal, two digits a byte.
[[nodiscard]] std::string hex(std::string_view bytes);

// The number that is all of `text`.
template <class T>
[[nodiscard]] std::optional<T> parse_number(std::string_view text,
                                            int base = 10) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc{} || rest != end)
    return std::nullopt;
  return value;
}
[[nodiscard]] inline std::optional<uint64_t> parse_unsigned(
    std::string_view text) {
  return parse_number<uint64_t>(text);
}

// Takes the front of `text` up to `separator`, and the separator; all of it
// when there is none.
inline std::string_view next_field(std::string_view& text, char separator) {
  const std::string_view field = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(field.size() + 1, text.size()));
  return field;
}

// `text` without blanks at its ends (space, tab, carriage return).
[[nodiscard]] std::string_view trimmed(std::string_view text);

// The parts of `text` between `separator`s, blanks trimmed.
[[nodiscard]] std::vector<std::string> split(std::string_view text,
                                             char separator);

// What follows the last '/' of a path.
[[nodiscard]] std::string_view basename_of(std::string_view path);

// argv as one line: arguments in the shell's manner with blanks between; an
// argument with blanks or quotes in it, or an empty one, is put in single
// quotes. Exact bytes: escape the result to print it.
[[nodiscard]] std::string command_line(const std::vector<std::string>& argv);

// ISO 8601 UTC with milliseconds: 2026-11-24T02:03:04.567Z.
[[nodiscard]] std::string iso_time(int64_t wall_us);

// Seconds as configuration files write them: 5s, 10m, 30d; 0 stays 0.
[[nodiscard]] std::string duration_text(int64_t seconds);
// Back to seconds; nothing for other text and for more than `most`.
[[nodiscard]] std::optional<int64_t> parse_duration(std::string_view text,
                                                    int64_t most);

}  // namespace preload
