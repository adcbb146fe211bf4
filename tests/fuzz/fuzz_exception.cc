// SPDX-License-Identifier: Apache-2.0
// Exceptions: any line, and values against them.
#include <string>
#include <vector>

#include "fuzz.h"
#include "preload/base/text.h"
#include "preload/detect/exception.h"

namespace preload {
namespace {

constexpr size_t kTableCells = 100'000;

// By the definition: a table of which prefixes match which.
bool glob_by_table(std::string_view pattern, std::string_view text) {
  std::vector<bool> row(text.size() + 1);
  row[0] = true;
  for (const char p : pattern) {
    std::vector<bool> next(text.size() + 1);
    next[0] = p == '*' && row[0];
    for (size_t t = 0; t < text.size(); ++t)
      next[t + 1] = p == '*' ? row[t + 1] || next[t]
                             : row[t] && (p == '?' || p == text[t]);
    row = std::move(next);
  }
  return row[text.size()];
}

Term term_of(std::string_view value) {
  Term term;
  term.variable = "LD_PRELOAD";
  term.value = value;
  return term;
}

bool applies(const Exception& exception, const ExecEvent& event,
             const Term& term) {
  FieldValues values(event);
  return exception.applies(values, term);
}

// A line of the kind that exception_candidates.sql prints.
void check_candidate(std::string_view value) {
  const Term term = term_of(value);
  const std::string line =
      "process.env_vars:" + in_quotes(term.variable + "=" + term.value) +
      " and not user.id:5";
  const auto exception = parse_exception({1, line});
  check(exception.has_value(), "a quoted value is an exception");
  ExecEvent event;
  event.uid = 0;
  check(applies(*exception, event, term), "it excepts the value");
  check(!applies(*exception, event, term_of(std::string(value) + "x")),
        "and no other");
  event.uid = 5;
  check(!applies(*exception, event, term), "when all conditions hold");
}

}  // namespace

void fuzz_one(std::string_view input) {
  const std::string_view line = input.substr(0, input.find('\n'));
  const std::string_view value =
      input.substr(std::min(line.size() + 1, input.size()));
  if (line.size() * value.size() < kTableCells)
    check(glob_match(line, value) == glob_by_table(line, value), "glob");
  check_candidate(value);
  const auto exception = parse_exception({1, std::string(line)});
  if (!exception) {
    check(!exception.error().message().empty(), "an error says what is wrong");
    return;
  }
  check(!exception->conditions.empty(), "an exception has a condition");
  ExecEvent event;
  event.argv = {std::string(value)};
  event.key = value;
  event.uid = 0;
  (void)applies(*exception, event, term_of(value));
}

}  // namespace preload
