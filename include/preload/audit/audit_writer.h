// SPDX-License-Identifier: Apache-2.0
// Writes messages into the audit trail.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "preload/base/result.h"

namespace preload {

// The text of one user message: blank-separated key=value. A string from
// outside is written in audit's own way, key="value", or in hexadecimal without
// quotes when it has a blank, a quote or anything unprintable, so it can forge
// neither a field nor a record. (The kernel puts the sender's pid, uid, auid
// and ses before it: keys for another process are the dictionary's opid, ouid,
// oauid, oses.)
class AuditText {
 public:
  // `value` is a constant of this program.
  AuditText& word(std::string_view key, std::string_view value);
  AuditText& number(std::string_view key, uint64_t value);
  // At most `limit` bytes of `bytes`; a field key_bytes=N follows when it was
  // cut.
  AuditText& encoded(std::string_view key, std::string_view bytes,
                     size_t limit);
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// What a message may have; libaudit adds program, host and terminal, and the
// kernel takes 8560 bytes (AUDIT_MESSAGE_TEXT_MAX), libaudit 8970.
inline constexpr size_t kAuditTextBytes = 8000;

class AuditWriter {
 public:
  AuditWriter() = default;
  AuditWriter(const AuditWriter&) = delete;
  AuditWriter& operator=(const AuditWriter&) = delete;
  ~AuditWriter();

  // Writes one message of type ANOM_EXEC; needs CAP_AUDIT_WRITE. EMSGSIZE:
  // it is too long and will never be taken.
  [[nodiscard]] Status write_anomaly(const std::string& text);

 private:
  int fd_ = -1;  // of audit_open()
};

}  // namespace preload
