// SPDX-License-Identifier: Apache-2.0
// Terms: the combinations of field values that the rule remembers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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

// Fields of an event, by their ECS names. The first eleven are kTermFields of
// base/config.h in its order.
enum class Field : uint8_t {
  kEnvVars,           // process.env_vars: NAME=value, one of many
  kExecutable,        // process.executable
  kName,              // process.name: what follows the last '/' of it
  kParentExecutable,  // process.parent.executable
  kParentName,        // process.parent.name
  kWorkingDirectory,  // process.working_directory
  kUserId,            // user.id: the real uid, decimal
  kUserName,          // user.name: of that uid; its number if unknown
  kUserAuditId,       // user.audit.id: the loginuid, decimal
  kContainerId,       // container.id
  kEventCode,         // event.code: audit key, one of many
  kArgs,              // process.args: the command line, only for exceptions
};

// The field of that name, process.args among them.
[[nodiscard]] std::optional<Field> parse_field(std::string_view name);
[[nodiscard]] std::string_view to_string(Field field);

// The values of an event's fields. Exact bytes; empty when the event does not
// have it. Refers to the event, and keeps what it had to compute.
class FieldValues {
 public:
  // `user` is the name of the event's uid where the event itself has none;
  // empty: unknown.
  explicit FieldValues(const ExecEvent& event, std::string user = {})
      : event_(event), user_(std::move(user)) {}

  [[nodiscard]] const ExecEvent& event() const { return event_; }

  // Every field but process.env_vars; event.code is all keys, joined with ','.
  [[nodiscard]] std::string_view get(Field field);

 private:
  const ExecEvent& event_;
  const std::string user_;
  std::optional<std::string> uid_;
  std::optional<std::string> auid_;
  std::optional<std::string> args_;
};

// Makes the terms of events for one choice of new_terms_fields. One thread at a
// time.
class TermMaker {
 public:
  explicit TermMaker(std::span<const std::string> fields);

  // The terms of an event, one per different NAME=value and context, in the
  // order of the environment. Only audit keys can be several, so only they
  // multiply.
  [[nodiscard]] std::vector<Term> terms_of(FieldValues& values);

  // SHA-256 over the names of the fields, the variable, the value and the
  // context, each with its length before it.
  [[nodiscard]] Digest digest_of(const Term& term);

 private:
  std::vector<Field> context_;  // the fields but process.env_vars
  std::string names_;           // what every digested message begins with
  std::string message_;
  Sha256 sha_;
};

}  // namespace preload
