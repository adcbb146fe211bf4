// SPDX-License-Identifier: Apache-2.0
// Terms: the combinations of field values that the rule takes for one thing.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "preload/base/digest.h"
#include "preload/correlate/exec_event.h"

namespace preload {

// One combination of the values of the configured new_terms_fields.
struct Term {
  Digest digest{};       // its identity: see digest_of()
  std::string variable;  // "LD_PRELOAD", "ld.so.preload"; exact bytes
  std::string value;     // exact bytes; empty is a value
  // Values of the other configured fields, in configured order.
  std::vector<std::string> context;
};

// The fields of RULE.md, semantics 2. True when `name` is one.
[[nodiscard]] bool is_term_field(std::string_view name);
[[nodiscard]] std::vector<std::string_view> term_fields();

// The value of a field of an event, for every field but process.env_vars.
// Exact bytes; empty when the event does not have it.
[[nodiscard]] std::string field_value(const ExecEvent& event,
                                      std::string_view field);

// SHA-256 over the names of the fields, the variable, the value and the
// context, each with its length before it.
[[nodiscard]] Digest digest_of(std::span<const std::string> fields,
                               const Term& term);

// The terms of an event, one per different NAME=value (with context), in the
// order of the environment. `fields` is new_terms_fields.
[[nodiscard]] std::vector<Term> terms_of(const ExecEvent& event,
                                         std::span<const std::string> fields);

}  // namespace preload
