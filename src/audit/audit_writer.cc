// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/audit_writer.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include <libaudit.h>

namespace preload {

AuditText& AuditText::word(std::string_view key, std::string_view value) {
  if (!text_.empty())
    text_ += ' ';
  text_ += fmt::format("{}={}", key, value);
  return *this;
}

AuditText& AuditText::number(std::string_view key, uint64_t value) {
  return word(key, std::to_string(value));
}

AuditText& AuditText::encoded(std::string_view key, std::string_view bytes,
                              size_t limit) {
  const std::string name(key);
  const std::string head(bytes.substr(0, limit));
  const std::unique_ptr<char, void (*)(void*)> pair(
      ::audit_encode_nv_string(name.c_str(), head.c_str(),
                               static_cast<unsigned>(head.size())),
      std::free);
  if (pair == nullptr)
    throw std::bad_alloc();
  if (!text_.empty())
    text_ += ' ';
  text_ += pair.get();
  if (head.size() < bytes.size())
    number(name + "_bytes", bytes.size());
  return *this;
}

AuditWriter::~AuditWriter() {
  if (fd_ >= 0)
    ::audit_close(fd_);
}

Status AuditWriter::write_anomaly(const std::string& text) {
  if (text.size() > kAuditTextBytes)
    return fail("a message for the audit trail is too long", EMSGSIZE);
  if (fd_ < 0)
    fd_ = ::audit_open();
  if (fd_ < 0)
    return fail("cannot open the audit socket", errno);
  // 1: the exec that it tells of succeeded.
  const int result = ::audit_log_user_message(
      fd_, AUDIT_ANOM_EXEC, text.c_str(), nullptr, nullptr, nullptr, 1);
  if (result > 0)
    return {};
  const int error = result < 0 ? -result : errno;
  ::audit_close(std::exchange(fd_, -1));
  return fail(
      "cannot write into the audit trail (audit_message = yes needs "
      "CAP_AUDIT_WRITE and the initial namespaces)",
      error);
}

}  // namespace preload
