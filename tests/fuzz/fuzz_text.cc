// SPDX-License-Identifier: Apache-2.0
// The escaped form, quotes and command lines: nothing is lost, nothing gets
// out, whatever the bytes.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fuzz.h"
#include "preload/base/text.h"

namespace preload {
namespace {

// A shell's way with the output of command_line(); nothing when it is none.
std::optional<std::vector<std::string>> words_of(std::string_view line) {
  std::vector<std::string> words;
  while (true) {
    std::string& word = words.emplace_back();
    while (!line.empty() && line.front() != ' ') {
      if (line.starts_with('\'')) {
        const size_t end = line.find('\'', 1);
        if (end == line.npos)
          return std::nullopt;
        word += line.substr(1, end - 1);
        line.remove_prefix(end + 1);
      } else if (line.starts_with("\\'")) {
        word += '\'';
        line.remove_prefix(2);
      } else {
        word += line.front();
        line.remove_prefix(1);
      }
    }
    if (line.empty())
      return words;
    line.remove_prefix(1);
  }
}

void check_escaped(std::string_view bytes) {
  const std::string form = escaped(bytes);
  check(unescaped(form) == std::string(bytes), "escaping loses nothing");
  check(form.find_first_of("\n\r\x1b\x7f") == form.npos, "one line");
  // nlohmann throws for what is not UTF-8.
  const std::string json = nlohmann::json(form).dump();
  check(nlohmann::json::parse(json) == form, "valid UTF-8");
  const std::string quoted = in_quotes(bytes);
  for (size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] == '\\')
      ++i;
    else
      check(quoted[i] != '"', "no quote gets out of quotes");
  }
  check(unescaped(quoted.substr(1, quoted.size() - 2)) == std::string(bytes),
        "quoting loses nothing");
}

void check_prefix(std::string_view bytes, size_t limit) {
  const std::string form = escaped(bytes);
  const std::string_view head = escaped_prefix(form, limit);
  check(head.size() <= limit && form.starts_with(head),
        "a prefix in its limit");
  const auto back = unescaped(head);
  check(back && bytes.starts_with(*back), "of whole escapes");
  (void)nlohmann::json(std::string(head)).dump();
}

void check_command_line(std::string_view input) {
  std::vector<std::string> argv;
  do {
    const std::string_view one = input.substr(0, input.find('\0'));
    argv.emplace_back(one);
    input.remove_prefix(std::min(one.size() + 1, input.size()));
  } while (!input.empty());
  // A backslash is a byte like others there, and a quote always in quotes.
  const bool plain = std::none_of(argv.begin(), argv.end(), [](const auto& a) {
    return a.find('\\') != a.npos;
  });
  if (plain)
    check(words_of(command_line(argv)) == argv, "a command line is its words");
}

}  // namespace

void fuzz_one(std::string_view input) {
  const size_t limit = take_byte(input);
  check_escaped(input);
  check_prefix(input, limit);
  check_command_line(input);
  const auto plain = unescaped(input);
  check(!plain || unescaped(escaped(*plain)) == plain, "any escaped form");
  (void)escaped_prefix(input, limit);
  (void)parse_unsigned(input);
  for (const std::string& part : split(input, ','))
    check(trimmed(part) == part, "parts are trimmed");
}

}  // namespace preload
