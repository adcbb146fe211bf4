// SPDX-License-Identifier: Apache-2.0
// Alerts into the audit trail itself (`ausearch -m ANOM_EXEC`).
#pragma once

#include <string>
#include <string_view>

#include "preload/audit/audit_writer.h"
#include "preload/deliver/sink.h"

namespace preload {

// The message of an alert, at most kAuditTextBytes:
//
//   op=preload-term var=NAME file=VALUE path=EXE cmd=ARGV cwd=DIR opid=N ouid=N
//   oauid=N oses=N audit_id=SEC.MS:SERIAL origin=O capture=C alert=N
//
// (no audit_id= when audit reported nothing, no origin= for an ordinary exec)
// and for a summary op=preload-summary info=... alert=N. See AuditText for how
// strings are written. A value that was cut is followed by its length and
// file_sha256. The plugin itself ignores the record: it reads SYSCALL records.
[[nodiscard]] std::string audit_text(const Alert& alert);

class AuditSink final : public Sink {
 public:
  [[nodiscard]] std::string_view name() const override { return "audit"; }
  [[nodiscard]] Status deliver(const Alert& alert) override {
    return writer_.write_anomaly(audit_text(alert));
  }

 private:
  AuditWriter writer_;
};

}  // namespace preload
