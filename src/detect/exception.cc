// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/exception.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "preload/base/text.h"

namespace preload {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kForm =
    "[not] field:pattern [and [not] field:pattern ...]";

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
}

// Takes `word` and the blanks after it (at least one) off the front.
bool take_word(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word) || text.size() == word.size() ||
      kBlanks.find(text[word.size()]) == std::string_view::npos)
    return false;
  text.remove_prefix(word.size());
  skip_blanks(text);
  return true;
}

// Where a bare pattern ends: at a free-standing `and`, or at the end.
size_t bare_end(std::string_view text) {
  constexpr std::string_view kAnd = "and";
  for (size_t at = text.find(kAnd); at != std::string_view::npos;
       at = text.find(kAnd, at + 1)) {
    const auto blank = [&](size_t i) {
      return i == text.size() ||
             kBlanks.find(text[i]) != std::string_view::npos;
    };
    if ((at == 0 || blank(at - 1)) && blank(at + kAnd.size()))
      return at;
  }
  return text.size();
}

// The length of the quoted string at the start of `text`, both quotes
// included; 0 when it does not end.
size_t quoted_length(std::string_view text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i + 1;
  }
  return 0;
}

Result<Field> take_field(std::string_view& text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos)
    return fail(
        fmt::format("'{}' is not of the form {}", escaped(text), kForm));
  const std::string_view name = trimmed(text.substr(0, colon));
  const auto field = parse_field(name);
  if (!field)
    return fail(fmt::format(
        "unknown field '{}'; fields are {}, {} (an ` and ` within "
        "a pattern needs quotes around the pattern)",
        escaped(name), fmt::join(kTermFields, ", "), to_string(Field::kArgs)));
  text.remove_prefix(colon + 1);
  skip_blanks(text);
  return *field;
}

Status take_quoted(std::string_view& text, Condition& condition) {
  const size_t length = quoted_length(text);
  if (length == 0)
    return fail(fmt::format("no closing quote in '{}'", escaped(text)));
  const auto exact = unescaped(text.substr(1, length - 2));
  if (!exact)
    return fail(fmt::format(
        "a backslash in quotes must begin \\\", \\\\ or \\xNN, in '{}'",
        escaped(text.substr(0, length))));
  condition.pattern = *exact;
  condition.literal = true;
  text.remove_prefix(length);
  return {};
}

Status take_bare(std::string_view& text, Condition& condition) {
  const size_t end = bare_end(text);
  condition.pattern = trimmed(text.substr(0, end));
  if (condition.pattern.empty())
    return fail(
        fmt::format("{} has no pattern; \"\" stands for the empty value",
                    to_string(condition.field)));
  if (condition.pattern.find('"') != std::string::npos)
    return fail(fmt::format(
        "a quote inside the bare pattern '{}': put all of it in quotes, or ? "
        "in the place of the quote",
        escaped(condition.pattern)));
  text.remove_prefix(end);
  return {};
}

Result<Condition> take_condition(std::string_view& text) {
  Condition condition;
  condition.negated = take_word(text, "not");
  const auto field = take_field(text);
  if (!field)
    return tl::unexpected(field.error());
  condition.field = *field;
  const bool quoted = text.starts_with('"');
  if (auto taken =
          quoted ? take_quoted(text, condition) : take_bare(text, condition);
      !taken)
    return tl::unexpected(taken.error());
  if (condition.field == Field::kEnvVars &&
      condition.pattern.find_first_of(quoted ? "=" : "=*?") ==
          std::string::npos)
    return fail(fmt::format(
        "process.env_vars is compared as NAME=value, which '{}' can never be",
        escaped(condition.pattern)));
  skip_blanks(text);
  return condition;
}

bool matches(const Condition& condition, std::string_view value) {
  return condition.literal ? value == condition.pattern
                           : glob_match(condition.pattern, value);
}

bool any_key_matches(const Condition& condition, std::string_view keys) {
  while (true) {
    const size_t comma = keys.find(',');
    if (matches(condition, keys.substr(0, comma)))
      return true;
    if (comma == std::string_view::npos)
      return false;
    keys.remove_prefix(comma + 1);
  }
}

}  // namespace

Result<Exception> parse_exception(const ExceptionLine& line) {
  Exception exception{line.line, line.text, {}};
  std::string_view rest = line.text;
  skip_blanks(rest);
  do {
    auto condition = take_condition(rest);
    if (!condition)
      return tl::unexpected(condition.error());
    exception.conditions.push_back(std::move(*condition));
  } while (take_word(rest, "and"));
  if (!rest.empty())
    return fail(
        fmt::format("'{}' after a pattern; allowed: {}", escaped(rest), kForm));
  return exception;
}

bool Exception::applies(FieldValues& values, const Term& term) const {
  std::string env;
  for (const Condition& condition : conditions) {
    bool holds = false;
    if (condition.field == Field::kEnvVars) {
      if (env.empty())
        env = term.variable + "=" + term.value;
      holds = matches(condition, env);
    } else if (condition.field == Field::kEventCode) {
      holds = any_key_matches(condition, values.get(condition.field));
    } else {
      holds = matches(condition, values.get(condition.field));
    }
    if (holds == condition.negated)
      return false;
  }
  return true;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;  // the last one passed
  size_t resume = 0;                     // how much of text it leaves
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() &&
               (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace preload
