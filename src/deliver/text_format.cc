// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/text_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <variant>

#include "preload/audit/audit_writer.h"
#include "preload/base/digest.h"
#include "preload/base/text.h"
#include "preload/deliver/library_fields.h"
#include "preload/deliver/syslog_socket.h"

namespace preload {
namespace {

// Bytes that a string may take in the line, its key and quotes included. With
// every field at its bound the value still has some 2000 bytes.
constexpr size_t kNameBytes = 300;
constexpr size_t kPathBytes = 600;
constexpr size_t kUserBytes = 160;
constexpr size_t kArgsBytes = 1024;  // more when the value leaves room

// The same for the audit trail, before hexadecimal doubles the bytes: the sum
// of all stays below half of kAuditTextBytes less the fixed part.
constexpr size_t kAuditNameBytes = 128;
constexpr size_t kAuditValueBytes = 1800;
constexpr size_t kAuditPathBytes = 500;
constexpr size_t kAuditArgsBytes = 600;

// With a blank before and after each.
constexpr std::string_view kKeys =
    " exe args pid ppid parent uid user auid ses tty cwd severity risk_score "
    "technique audit capture alert origin secure static args_truncated "
    "container lib libs lib_exists lib_owner lib_mode lib_sha256 lib_writable "
    "lib_mapped introduced_by introducer_pid stored value_bytes value_sha256 ";

bool is_word(std::string_view text, std::string_view others) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z') || others.find(c) != std::string_view::npos;
  });
}

// A variable may have the name of a field, or of the length of one.
// `name` has no blanks.
bool is_key(std::string_view name) {
  return name.ends_with("_bytes") ||
         kKeys.find(fmt::format(" {} ", name)) != std::string_view::npos;
}

// `lead` and the quoted bytes; when that is more than `limit` bytes, cut so
// that it is not with `cut_note` after it.
std::string quoted(std::string_view lead, std::string_view bytes, size_t limit,
                   std::string_view cut_note) {
  std::string text(lead);
  text += in_quotes(bytes);
  if (text.size() <= limit)
    return text;
  const size_t fixed = lead.size() + cut_note.size() + 2;
  const size_t room = limit > fixed ? limit - fixed : 0;
  const std::string_view inner = std::string_view(text).substr(
      lead.size() + 1, text.size() - lead.size() - 2);
  return fmt::format("{}\"{}\"{}", lead, escaped_prefix(inner, room), cut_note);
}

std::string id_text(uint32_t id) {
  return id == kUnsetId ? "unset" : std::to_string(id);
}

class Fields {
 public:
  void word(std::string_view key, std::string_view value) {
    if (!is_word(value, "_.:/,+-"))
      return quote(key, value, kUserBytes);
    text_ += fmt::format(" {}={}", key, value);
  }
  void number(std::string_view key, int64_t value) {
    text_ += fmt::format(" {}={}", key, value);
  }
  void id(std::string_view key, uint32_t value) { word(key, id_text(value)); }
  void quote(std::string_view key, std::string_view bytes, size_t limit) {
    text_ += quoted(fmt::format(" {}=", key), bytes, limit,
                    fmt::format(" {}_bytes={}", key, bytes.size()));
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void add_libraries(Fields& fields, const AlertFacts& facts) {
  if (facts.libraries.empty())
    return;
  for (const LibraryField& field : library_fields(facts.libraries.front())) {
    if (field.key.empty())
      continue;
    if (const auto* bytes = std::get_if<std::string>(&field.value)) {
      field.key == "lib" ? fields.quote(field.key, *bytes, kPathBytes)
                         : fields.word(field.key, *bytes);
    } else if (const auto* yes = std::get_if<bool>(&field.value)) {
      fields.word(field.key, *yes ? "yes" : "no");
    } else if (const auto* number = std::get_if<uint64_t>(&field.value)) {
      fields.word(field.key, std::to_string(*number));
    } else {
      fields.word(field.key, "unknown");
    }
  }
  if (facts.libraries.size() > 1)
    fields.number("libs", static_cast<int64_t>(facts.libraries.size()));
}

void add_extras(Fields& fields, const Alert& alert) {
  const ExecEvent& event = *alert.event;
  if (event.origin != Origin::kExec)
    fields.word("origin", to_string(event.origin));
  if (event.secure.value_or(false))
    fields.word("secure", "yes");
  if (event.no_interpreter.value_or(false))
    fields.word("static", "yes");
  if (event.argv_truncated)
    fields.word("args_truncated", "yes");
  if (!event.container.empty())
    fields.word("container", event.container);
  add_libraries(fields, alert.facts);
  if (!alert.facts.introducer_executable.empty())
    fields.quote("introduced_by", alert.facts.introducer_executable,
                 kPathBytes);
  if (alert.facts.introducer_pid != 0)
    fields.number("introducer_pid", alert.facts.introducer_pid);
  if (alert.alert_id == 0)
    fields.word("stored", "no");
}

// Everything after args.
std::string tail(const Alert& alert) {
  const ExecEvent& event = *alert.event;
  Fields fields;
  fields.number("pid", event.pid);
  fields.number("ppid", event.ppid);
  fields.quote("parent", event.parent_executable, kPathBytes);
  fields.id("uid", event.uid);
  fields.quote("user", event.user.empty() ? id_text(event.uid) : event.user,
               kUserBytes);
  fields.id("auid", event.auid);
  fields.id("ses", event.ses);
  const bool no_tty = event.tty.empty() || event.tty == "(none)";
  fields.word("tty", no_tty ? "none" : event.tty);
  fields.quote("cwd", event.cwd, kPathBytes);
  fields.word("severity", alert.severity);
  fields.number("risk_score", alert.risk_score);
  fields.word("technique", "T1574.006");
  if (event.audit.serial != 0)
    fields.word("audit", to_string(event.audit));
  fields.word("capture", to_string(event.capture));
  fields.number("alert", alert.alert_id);
  add_extras(fields, alert);
  return fields.text();
}

bool is_bare_name(std::string_view name) {
  return is_word(name, "_.") && !is_key(name) && name.size() <= kNameBytes;
}

std::string new_term_line(const Alert& alert) {
  const std::string& name = alert.term.variable;
  const std::string& value = alert.term.value;
  std::string head = "new preload term: ";
  head += is_bare_name(name) ? name : quoted({}, name, kNameBytes, {});
  std::string after_value;
  if (in_quotes(name).size() > kNameBytes)
    after_value = fmt::format(" variable_bytes={}", name.size());
  Fields exe;
  exe.quote("exe", alert.event->executable, kPathBytes);
  after_value += exe.text();
  const std::string rest = tail(alert);

  const std::string command = command_line(alert.event->argv);
  const auto args_in = [&](size_t room) {
    return quoted(" args=", command, room,
                  fmt::format(" args_bytes={}", command.size()));
  };
  size_t room =
      kSyslogTextBytes - head.size() - after_value.size() - rest.size();
  const std::string value_text =
      quoted("=", value, room - args_in(kArgsBytes).size(),
             fmt::format(" value_bytes={} value_sha256={}", value.size(),
                         hex(sha256(value))));
  room -= value_text.size();
  return head + value_text + after_value + args_in(room) + rest;
}

// A summary is the plugin's own text and safe; the line does not depend on it.
bool is_printable(std::string text) {
  std::replace(text.begin(), text.end(), '\\', '/');
  return escaped(text) == text;
}

std::string summary_line(const Alert& alert) {
  Fields fields;
  fields.word("severity", alert.severity);
  fields.number("alert", alert.alert_id);
  if (alert.alert_id == 0)
    fields.word("stored", "no");
  const std::string text =
      is_printable(alert.summary) ? alert.summary : escaped(alert.summary);
  std::string line = "preload alert summary: ";
  line += escaped_prefix(text,
                         kSyslogTextBytes - line.size() - fields.text().size());
  return line + fields.text();
}

}  // namespace

std::string text_line(const Alert& alert) {
  return alert.kind == AlertKind::kSummary ? summary_line(alert)
                                           : new_term_line(alert);
}

// The keys of strings are those of audit's dictionary that `ausearch -i`
// decodes: file, path, cmd, cwd, info.
std::string audit_text(const Alert& alert) {
  AuditText text;
  const auto id = static_cast<uint64_t>(alert.alert_id);
  if (alert.kind == AlertKind::kSummary)
    return text.word("op", "preload-summary")
        .encoded("info", alert.summary, kAuditValueBytes)
        .number("alert", id)
        .text();
  const ExecEvent& event = *alert.event;
  const std::string& value = alert.term.value;
  text.word("op", "preload-term")
      .encoded("var", alert.term.variable, kAuditNameBytes)
      .encoded("file", value, kAuditValueBytes);
  if (value.size() > kAuditValueBytes)
    text.word("file_sha256", hex(sha256(value)));
  text.encoded("path", event.executable, kAuditPathBytes)
      .encoded("cmd", command_line(event.argv), kAuditArgsBytes)
      .encoded("cwd", event.cwd, kAuditPathBytes)
      .number("opid", static_cast<uint64_t>(event.pid))
      .number("ouid", event.uid)  // unset: 4294967295, as audit writes it
      .number("oauid", event.auid)
      .number("oses", event.ses);
  if (event.audit.serial != 0)
    text.word("audit_id", to_string(event.audit));
  if (event.origin != Origin::kExec)
    text.word("origin", to_string(event.origin));
  return text.word("capture", to_string(event.capture))
      .number("alert", id)
      .text();
}

}  // namespace preload
