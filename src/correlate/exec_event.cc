// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/exec_event.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "preload/base/text.h"

namespace preload {
namespace {

using nlohmann::json;

// Words of the enumerators, in their order.
constexpr std::array<std::string_view, 3> kCaptures{"exec", "late", "none"};
constexpr std::array<std::string_view, 5> kOrigins{
    "exec", "unaudited", "inventory", "ld.so-option", "ld.so.preload"};
constexpr std::array<std::string_view, 4> kMissReasons{
    "exited", "denied", "replaced", "unreadable"};

// Every field of the JSON, for both directions.
template <class Visitor, class Event>
void visit(Visitor& visitor, Event& event) {
  visitor.word("capture", event.capture, kCaptures, Capture::kNone);
  visitor.word("origin", event.origin, kOrigins, Origin::kExec);
  visitor.word("missed", event.missed, kMissReasons, MissReason::kExited);
  visitor.value("time_us", event.time_us);
  visitor.value("exec_ns", event.exec_ns);
  visitor.value("audit", event.audit);
  visitor.value("env", event.env);
  visitor.value("env_truncated", event.env_truncated);
  visitor.value("executable", event.executable);
  visitor.value("argv", event.argv);
  visitor.value("argv_truncated", event.argv_truncated);
  visitor.value("comm", event.comm);
  visitor.value("cwd", event.cwd);
  visitor.value("pid", event.pid);
  visitor.value("ppid", event.ppid);
  visitor.value("parent_executable", event.parent_executable);
  visitor.value("start_ticks", event.start_ticks);
  visitor.value("uid", event.uid);
  visitor.value("euid", event.euid);
  visitor.value("gid", event.gid);
  visitor.value("egid", event.egid);
  visitor.value("auid", event.auid);
  visitor.value("ses", event.ses);
  visitor.value("user", event.user);
  visitor.value("login_user", event.login_user);
  visitor.value("tty", event.tty);
  visitor.value("key", event.key);
  visitor.value("syscall", event.syscall);
  visitor.value("cgroup", event.cgroup);
  visitor.value("container", event.container);
  visitor.value("secure", event.secure);
  visitor.value("no_interpreter", event.no_interpreter);
}

template <class Visitor, class Audit>
void visit_audit(Visitor& visitor, Audit& audit) {
  visitor.value("sec", audit.sec);
  visitor.value("ms", audit.ms);
  visitor.value("serial", audit.serial);
  visitor.value("node", audit.node);
}

template <class Visitor, class Variable>
void visit_variable(Visitor& visitor, Variable& variable) {
  visitor.value("name", variable.name);
  visitor.value("value", variable.value);
}

// Ids that are not set are left out, like everything else without a value.
template <class T>
T absent() {
  if constexpr (std::is_same_v<T, uint32_t>)
    return kUnsetId;
  else
    return T();
}

class Writer {
 public:
  template <class T, size_t N>
  void word(const char* name, const T& value,
            const std::array<std::string_view, N>& words, T absent_word) {
    if (value != absent_word)
      object_[name] = words.at(static_cast<size_t>(value));
  }
  template <class T>
  void value(const char* name, const T& value) {
    // The milliseconds are uint32_t too, but a number: all are written.
    if (value != absent<T>())
      object_[name] = form(value);
  }
  json take() { return std::move(object_); }

 private:
  static json form(const std::string& bytes) { return escaped(bytes); }
  static json form(const std::optional<bool>& value) { return *value; }
  static json form(const AuditId& audit) {
    Writer writer;
    visit_audit(writer, audit);
    return writer.take();
  }
  static json form(const EnvVar& variable) {
    Writer writer;
    visit_variable(writer, variable);
    return writer.take();
  }
  template <class T>
  static json form(const std::vector<T>& values) {
    json list = json::array();
    for (const T& value : values)
      list.push_back(form(value));
    return list;
  }
  template <class T>
  static std::enable_if_t<std::is_arithmetic_v<T>, json> form(T value) {
    return value;
  }

  json object_ = json::object();
};

class Reader {
 public:
  explicit Reader(const json& object) : object_(object) {
    if (!object.is_object())
      wrong_ = "the whole";
  }

  template <class T, size_t N>
  void word(const char* name, T& value,
            const std::array<std::string_view, N>& words, T absent_word) {
    value = absent_word;
    const auto field = object_.find(name);
    if (field == object_.end())
      return;
    const auto hit =
        field->is_string()
            ? std::find(words.begin(), words.end(),
                        field->template get_ref<const std::string&>())
            : words.end();
    if (hit == words.end())
      wrong_ = name;
    else
      value = static_cast<T>(hit - words.begin());
  }
  template <class T>
  void value(const char* name, T& value) {
    const auto field = object_.find(name);
    if (field != object_.end() && !take(*field, value))
      wrong_ = name;
  }
  // The name of a field that is not what it should be; empty when all are.
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

 private:
  static bool take(const json& field, std::string& bytes) {
    if (!field.is_string())
      return false;
    auto plain = unescaped(field.get_ref<const std::string&>());
    if (!plain)
      return false;
    bytes = std::move(*plain);
    return true;
  }
  static bool take(const json& field, bool& value) {
    if (!field.is_boolean())
      return false;
    value = field.get<bool>();
    return true;
  }
  static bool take(const json& field, std::optional<bool>& value) {
    return take(field, value.emplace());
  }
  static bool take(const json& field, AuditId& audit) {
    Reader reader(field);
    visit_audit(reader, audit);
    return reader.wrong().empty();
  }
  static bool take(const json& field, EnvVar& variable) {
    Reader reader(field);
    visit_variable(reader, variable);
    return reader.wrong().empty();
  }
  template <class T>
  static bool take(const json& field, std::vector<T>& values) {
    if (!field.is_array())
      return false;
    return std::all_of(field.begin(), field.end(), [&](const json& item) {
      return take(item, values.emplace_back());
    });
  }
  template <class T>
  static std::enable_if_t<std::is_integral_v<T>, bool> take(const json& field,
                                                            T& value) {
    if (field.is_number_unsigned()) {
      const auto number = field.get<uint64_t>();
      value = static_cast<T>(number);
      return std::in_range<T>(number);
    }
    if (!field.is_number_integer())
      return false;
    const auto number = field.get<int64_t>();
    value = static_cast<T>(number);
    return std::in_range<T>(number);
  }

  const json& object_;
  std::string wrong_;
};

}  // namespace

std::string_view to_string(Capture capture) {
  return kCaptures.at(static_cast<size_t>(capture));
}

std::string_view to_string(Origin origin) {
  return kOrigins.at(static_cast<size_t>(origin));
}

std::string_view to_string(MissReason reason) {
  return kMissReasons.at(static_cast<size_t>(reason));
}

size_t weight(std::span<const EnvVar> env, std::span<const std::string> argv) {
  size_t bytes = 0;
  for (const EnvVar& variable : env)
    bytes += sizeof variable + variable.name.size() + variable.value.size();
  for (const std::string& argument : argv)
    bytes += sizeof argument + argument.size();
  return bytes;
}

size_t weight(const ExecEvent& event) {
  size_t bytes = sizeof event + weight(event.env, event.argv);
  for (const std::string* s :
       {&event.executable, &event.comm, &event.cwd, &event.parent_executable,
        &event.user, &event.login_user, &event.tty, &event.key, &event.syscall,
        &event.cgroup, &event.container, &event.audit.node})
    bytes += s->size();
  return bytes;
}

ExecEventPtr with_user(ExecEventPtr event,
                       const std::function<std::string(uint32_t)>& name_of) {
  if (!event->user.empty())
    return event;
  std::string name = name_of(event->uid);
  if (name.empty())
    return event;
  ExecEvent named = *event;
  named.user = std::move(name);
  return std::make_shared<const ExecEvent>(std::move(named));
}

std::string to_json(const ExecEvent& event) {
  Writer writer;
  visit(writer, event);
  return writer.take().dump();
}

Result<ExecEvent> exec_event_from_json(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  ExecEvent event;
  Reader reader(object);
  if (reader.wrong().empty())
    visit(reader, event);
  if (!reader.wrong().empty())
    return fail(fmt::format("not an exec event: {} is not well formed",
                            reader.wrong()));
  return event;
}

}  // namespace preload
