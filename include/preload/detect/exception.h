// SPDX-License-Identifier: Apache-2.0
// `exception =` lines: which new values raise no alert.
//
//   exception = field:pattern [and field:pattern ...]
//
//   field    a term field, process.args or process.env_vars, with `not ` before
//            it to negate
//   pattern  a glob of * and ?, or "a string taken literally" (\" and \\ in
//            it), case-sensitive, against the whole value; process.env_vars is
//            compared as NAME=value
//
// It applies to one value of one exec. (Elastic applies it to the exec: there
// a harmless variable beside it hides a harmful one.)
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
  std::string field;
  std::string pattern;  // a glob, or exact bytes
  bool literal = false;
  bool negated = false;
};

struct Exception {
  int line = 0;                       // of the configuration file
  std::string text;                   // as written
  std::vector<Condition> conditions;  // all must hold

  [[nodiscard]] bool applies(const ExecEvent& event, const Term& term) const;
};

// The error says what is wrong and what is allowed, without file and line.
[[nodiscard]] Result<Exception> parse_exception(const ExceptionLine& line);

// True when all of `text` matches the glob `pattern`. Linear in both.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace preload
