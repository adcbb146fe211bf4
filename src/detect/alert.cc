// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/alert.h"

#include <array>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "preload/base/text.h"

namespace preload {
namespace {

using nlohmann::json;

// Each field of a library, with its name in the database.
template <class Visit>
void for_each_field(Visit visit) {
  visit("named", &LibraryFact::named);
  visit("path", &LibraryFact::path);
  visit("exists", &LibraryFact::exists);
  visit("owner", &LibraryFact::owner);
  visit("mode", &LibraryFact::mode);
  visit("size", &LibraryFact::size);
  visit("mtime_us", &LibraryFact::mtime_us);
  visit("sha256", &LibraryFact::sha256);
  visit("writable_by_others", &LibraryFact::writable_by_others);
  visit("mapped", &LibraryFact::mapped);
}

// Without the fields that have their default, which means unknown or no.
json json_of(const LibraryFact& fact) {
  json object = json::object();
  const LibraryFact none;
  for_each_field([&](const char* name, auto field) {
    const auto& value = fact.*field;
    using Value = std::decay_t<decltype(value)>;
    if (value == none.*field)
      return;
    if constexpr (std::is_same_v<Value, std::string>)
      object[name] = escaped(value);
    else if constexpr (std::is_same_v<Value, std::optional<bool>>)
      object[name] = *value;
    else
      object[name] = value;
  });
  return object;
}

// A member of `object`; what it is left at when it is absent or of another
// type.
template <class T>
void take(const json& object, const char* name, T& value) {
  const auto field = object.find(name);
  if (field == object.end())
    return;
  if constexpr (std::is_same_v<T, std::string>) {
    if (field->is_string())
      if (auto plain = unescaped(field->template get_ref<const std::string&>()))
        value = std::move(*plain);
  } else if constexpr (std::is_same_v<T, bool> ||
                       std::is_same_v<T, std::optional<bool>>) {
    if (field->is_boolean())
      value = field->template get<bool>();
  } else {
    if (field->is_number_integer())
      value = field->template get<T>();
  }
}

LibraryFact fact_from(const json& object) {
  LibraryFact fact;
  for_each_field(
      [&](const char* name, auto field) { take(object, name, fact.*field); });
  return fact;
}

}  // namespace

std::string_view to_string(AlertState state) {
  constexpr std::array<std::string_view, 3> kWords{"queued", "direct",
                                                   "capped"};
  return kWords.at(static_cast<size_t>(state));
}

std::string to_json(const AlertFacts& facts) {
  json libraries = json::array();
  for (const LibraryFact& fact : facts.libraries)
    libraries.push_back(json_of(fact));
  json object{{"libraries", std::move(libraries)}};
  if (facts.introducer_pid != 0)
    object["introducer"] = {
        {"pid", facts.introducer_pid},
        {"executable", escaped(facts.introducer_executable)}};
  return object.dump();
}

Result<AlertFacts> facts_from_json(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object())
    return fail("not the facts of an alert: no JSON object");
  AlertFacts facts;
  if (const auto list = object.find("libraries");
      list != object.end() && list->is_array())
    for (const json& item : *list)
      if (item.is_object())
        facts.libraries.push_back(fact_from(item));
  if (const auto introducer = object.find("introducer");
      introducer != object.end() && introducer->is_object()) {
    take(*introducer, "pid", facts.introducer_pid);
    take(*introducer, "executable", facts.introducer_executable);
  }
  return facts;
}

}  // namespace preload
