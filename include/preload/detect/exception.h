// SPDX-License-Identifier: Apache-2.0
// `exception =` lines: which new values raise no alert.
//
//   exception = [not ]field:pattern [and [not ]field:pattern ...]
//
//   field    a term field or process.args (the command line); `not ` negates.
//            process.env_vars is compared as NAME=value, event.code with each
//            key of the event
//   pattern  bare: a glob of * (any bytes, also none) and ? (one byte), without
//            quotes in it, up to ` and ` or the end of the line; or
//            "in quotes": taken literally, in the escaped form of base/text.h
//            (\" \\ \xNN), as alerts print values
//
// Case counts, and a pattern must match the whole value. All conditions must
// hold. An exception applies to one value of one exec. (Elastic applies it to
// the exec: there a harmless variable beside it hides a harmful one.)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "preload/base/config.h"
#include "preload/base/result.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/term.h"

namespace preload {

struct Condition {
  Field field = Field::kEnvVars;
  std::string pattern;  // a glob, or exact bytes
  bool literal = false;
  bool negated = false;
};

struct Exception {
  int line = 0;                       // of the configuration file
  std::string text;                   // as written
  std::vector<Condition> conditions;  // all must hold

  // `values` are those of the event that the term is of.
  [[nodiscard]] bool applies(FieldValues& values, const Term& term) const;
};

// The error says what is wrong and what is allowed, without file and line.
[[nodiscard]] Result<Exception> parse_exception(const ExceptionLine& line);

// True when all of `text` matches the glob `pattern`. A mismatch goes back to
// the last * only, so it costs at most the product of the lengths, and about
// the length of `text` for patterns that people write.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace preload
