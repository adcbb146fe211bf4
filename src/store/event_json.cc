// SPDX-License-Identifier: Apache-2.0
#include "preload/store/event_json.h"

#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "preload/base/text.h"

template <>
struct nlohmann::adl_serializer<std::optional<bool>> {
  static void to_json(json& to, const std::optional<bool>& value) {
    to = value ? json(*value) : json();
  }
  static void from_json(const json& from, std::optional<bool>& value) {
    value = from.is_null() ? std::nullopt : std::optional(from.get<bool>());
  }
};

namespace preload {

using nlohmann::json;

// Enumerators by their word.
template <class Enum, class = std::enable_if_t<std::is_enum_v<Enum>>>
void to_json(json& to, Enum value) {
  to = to_string(value);
}
template <class Enum, class = std::enable_if_t<std::is_enum_v<Enum>>>
void from_json(const json& from, Enum& value) {
  const auto& word = from.get_ref<const std::string&>();
  // to_string() throws std::out_of_range after the last of them.
  for (int number = 0;; ++number) {
    value = static_cast<Enum>(number);
    if (to_string(value) == word)
      return;
  }
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AuditId, sec, ms, serial, node)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(EnvVar, name, value)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(
    ExecEvent, capture, origin, missed, time_us, exec_ns, audit, env,
    env_truncated, executable, argv, argv_truncated, comm, cwd, pid, ppid,
    parent_executable, start_ticks, uid, euid, gid, egid, auid, ses, user,
    login_user, tty, key, syscall, cgroup, container, secure, no_interpreter)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LibraryFact, named, path,
                                                exists, owner, mode, size,
                                                mtime_us, sha256,
                                                writable_by_others, mapped)

// Without the members that are as in a default-constructed T.
template <class T>
json set_members(const T& value) {
  static const json kDefaults = T();
  json object = value;
  for (const auto& [name, unset] : kDefaults.items())
    if (object[name] == unset)
      object.erase(name);
  return object;
}

void to_json(json& to, const AlertFacts& facts) {
  to["libraries"] = json::array();
  for (const LibraryFact& library : facts.libraries) {
    json object = set_members(library);
    object["exists"] = library.exists;  // for queries, "no" is not "unknown"
    to["libraries"].push_back(std::move(object));
  }
  to["introducer"] = {{"pid", facts.introducer_pid},
                      {"executable", facts.introducer_executable}};
}
void from_json(const json& from, AlertFacts& facts) {
  facts.libraries = from.value("libraries", facts.libraries);
  const json introducer = from.value("introducer", json::object());
  facts.introducer_pid = introducer.value("pid", 0);
  facts.introducer_executable = introducer.value("executable", "");
}

namespace {

// Replaces every string in it, names of members apart.
template <class Replace>
void replace_strings(json& value, Replace&& replace) {
  if (value.is_structured()) {
    for (json& part : value)
      replace_strings(part, replace);
  } else if (value.is_string()) {
    value = replace(value.get_ref<const std::string&>());
  }
}

std::string plain(const std::string& text) {
  auto bytes = unescaped(text);
  if (!bytes)
    throw std::invalid_argument("a string is not in the escaped form");
  return *std::move(bytes);
}

template <class T>
std::string written(const T& value) {
  json object = set_members(value);
  replace_strings(object,
                  [](const std::string& bytes) { return escaped(bytes); });
  return object.dump();
}

template <class T>
Result<T> read(std::string_view text, const char* what) {
  const auto wrong = [&](const std::string& why) {
    return fail(std::string("not ") + what + ": " + why);
  };
  try {
    json object = json::parse(text);
    replace_strings(object, plain);
    T value = object.get<T>();
    // A number that does not fit its field is not an error of the library's.
    const json taken = json(value).flatten();
    const json given = object.flatten();
    for (const auto& [path, member] : given.items())
      if (taken.contains(path) && taken[path] != member)
        return wrong(path + " is out of range");
    return value;
  } catch (const std::exception& error) {
    return wrong(error.what());
  }
}

}  // namespace

std::string to_json(const ExecEvent& event) {
  return written(event);
}

std::string to_json(const AlertFacts& facts) {
  return written(facts);
}

Result<ExecEvent> exec_event_from_json(std::string_view text) {
  return read<ExecEvent>(text, "an exec event");
}

Result<AlertFacts> facts_from_json(std::string_view text) {
  return read<AlertFacts>(text, "the facts of an alert");
}

}  // namespace preload
