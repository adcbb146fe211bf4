// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/term.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "preload/base/config.h"
#include "preload/base/text.h"

namespace preload {
namespace {

constexpr std::string_view kArgsName = "process.args";

static_assert(kTermFields.size() == static_cast<size_t>(Field::kArgs));

std::string id_text(uint32_t id) {
  return id == kUnsetId ? std::string() : std::to_string(id);
}

void append_sized(std::string& out, std::string_view piece) {
  const uint64_t size = piece.size();
  std::array<char, sizeof size> bytes{};
  std::memcpy(bytes.data(), &size, sizeof size);
  out.append(bytes.data(), bytes.size());
  out += piece;
}

using Context = std::vector<std::string>;

// The values of `fields`, for each audit key if they are among them.
std::vector<Context> contexts_of(FieldValues& values,
                                 const std::vector<Field>& fields) {
  if (fields.empty())  // as by default
    return {Context()};
  std::vector<Context> contexts;
  for (const std::string& key : split(values.get(Field::kEventCode), ',')) {
    Context context;
    for (const Field field : fields)
      context.emplace_back(field == Field::kEventCode ? key
                                                      : values.get(field));
    if (std::find(contexts.begin(), contexts.end(), context) == contexts.end())
      contexts.push_back(std::move(context));
  }
  return contexts;
}

}  // namespace

std::optional<Field> parse_field(std::string_view name) {
  if (name == kArgsName)
    return Field::kArgs;
  const auto* found = std::find(kTermFields.begin(), kTermFields.end(), name);
  if (found == kTermFields.end())
    return std::nullopt;
  return static_cast<Field>(found - kTermFields.begin());
}

std::string_view to_string(Field field) {
  return field == Field::kArgs ? kArgsName
                               : kTermFields[static_cast<size_t>(field)];
}

std::string_view FieldValues::get(Field field) {
  switch (field) {
    case Field::kEnvVars:
      return {};
    case Field::kExecutable:
      return event_.executable;
    case Field::kName:
      return basename_of(event_.executable);
    case Field::kParentExecutable:
      return event_.parent_executable;
    case Field::kParentName:
      return basename_of(event_.parent_executable);
    case Field::kWorkingDirectory:
      return event_.cwd;
    case Field::kUserId:
      if (!uid_)
        uid_ = id_text(event_.uid);
      return *uid_;
    case Field::kUserName:
      // Never empty for a user: an exception for all but root would match.
      if (!event_.user.empty())
        return event_.user;
      return user_.empty() ? get(Field::kUserId) : user_;
    case Field::kUserAuditId:
      if (!auid_)
        auid_ = id_text(event_.auid);
      return *auid_;
    case Field::kContainerId:
      return event_.container;
    case Field::kEventCode:
      return event_.key;
    case Field::kArgs:
      if (!args_)
        args_ = command_line(event_.argv);
      return *args_;
  }
  return {};
}

TermMaker::TermMaker(std::span<const std::string> fields) {
  for (const std::string& name : fields) {
    append_sized(names_, name);
    const auto field = parse_field(name);
    if (field && *field != Field::kEnvVars)
      context_.push_back(*field);
  }
}

Digest TermMaker::digest_of(const Term& term) {
  message_ = names_;
  append_sized(message_, term.variable);
  append_sized(message_, term.value);
  for (const std::string& value : term.context)
    append_sized(message_, value);
  sha_.update(message_);
  return sha_.finish();
}

std::vector<Term> TermMaker::terms_of(FieldValues& values) {
  const ExecEvent& event = values.event();
  const std::vector<Context> contexts = contexts_of(values, context_);
  std::vector<Term> terms;
  terms.reserve(event.env.size() * contexts.size());
  std::unordered_set<Digest, DigestHash> seen;
  const bool may_repeat = event.env.size() > 1;
  for (const EnvVar& var : event.env) {
    for (const Context& context : contexts) {
      Term term{{}, var.name, var.value, context};
      term.digest = digest_of(term);
      if (!may_repeat || seen.insert(term.digest).second)
        terms.push_back(std::move(term));
    }
  }
  return terms;
}

}  // namespace preload
