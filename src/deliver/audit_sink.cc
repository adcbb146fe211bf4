// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/audit_sink.h"

#include "preload/base/digest.h"
#include "preload/base/text.h"

namespace preload {
namespace {

// The keys of strings are those of audit's dictionary that `ausearch -i`
// decodes: file, path, cmd, cwd, info. Raw bytes of each string; hexadecimal
// doubles them. The sum of all stays below half of kAuditTextBytes less the
// fixed part.
constexpr size_t kNameBytes = 128;
constexpr size_t kValueBytes = 1800;
constexpr size_t kPathBytes = 500;
constexpr size_t kArgsBytes = 600;

}  // namespace

std::string audit_text(const Alert& alert) {
  AuditText text;
  const auto id = static_cast<uint64_t>(alert.alert_id);
  if (alert.kind == AlertKind::kSummary)
    return text.word("op", "preload-summary")
        .encoded("info", alert.summary, kValueBytes)
        .number("alert", id)
        .text();
  const ExecEvent& event = *alert.event;
  const std::string& value = alert.term.value;
  text.word("op", "preload-term")
      .encoded("var", alert.term.variable, kNameBytes)
      .encoded("file", value, kValueBytes);
  if (value.size() > kValueBytes)
    text.word("file_sha256", hex(sha256(value)));
  text.encoded("path", event.executable, kPathBytes)
      .encoded("cmd", command_line(event.argv), kArgsBytes)
      .encoded("cwd", event.cwd, kPathBytes)
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
