// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/audit_sink.h"

#include <memory>
#include <optional>
#include <string>

#include <auparse.h>
#include <gtest/gtest.h>

#include "preload/base/digest.h"
#include "preload/base/text.h"
#include "samples.h"
#include "support/rounds.h"

namespace preload {
namespace {

TEST(AuditSink, TellsWhatAndWho) {
  EXPECT_EQ(audit_text(sample_alert()),
            "op=preload-term var=\"LD_PRELOAD\" file=\"/tmp/x.so\" "
            "path=\"/usr/bin/id\" cmd=6964202D75 cwd=\"/home/bob\" opid=1234 "
            "ouid=1000 oauid=1000 oses=3 audit_id=1795484879.068:7 "
            "capture=exec alert=42");
  Alert summary = summary_alert();
  summary.summary = "capped=12";
  EXPECT_EQ(audit_text(summary),
            "op=preload-summary info=\"capped=12\" alert=43");
}

TEST(AuditSink, AnyAlertFitsARecord) {
  HostileBytes hostile(6);
  for (int round = 0; round < rounds(1'000); ++round) {
    Alert alert = hostile.alert();
    const std::string text = audit_text(alert);
    ASSERT_LE(text.size(), kAuditTextBytes);
    ASSERT_EQ(text.find('\n'), std::string::npos);
    ASSERT_EQ(text.find("type="), std::string::npos);
    // One field of each, whatever the strings were.
    for (const char* key : {" opid=", " file=", " cwd=", " alert=42"}) {
      const size_t at = text.find(key);
      ASSERT_NE(at, std::string::npos) << key;
      ASSERT_EQ(text.find(key, at + 1), std::string::npos) << text;
    }
  }
}

// What `ausearch -i` shows of a string field; nothing when it is not there
// exactly once.
std::optional<std::string> interpreted(const std::string& record,
                                       const char* field) {
  const std::unique_ptr<auparse_state_t, void (*)(auparse_state_t*)> state(
      ::auparse_init(AUSOURCE_BUFFER, record.c_str()), ::auparse_destroy);
  ::auparse_set_escape_mode(state.get(), AUPARSE_ESC_RAW);
  if (::auparse_next_event(state.get()) <= 0 ||
      ::auparse_find_field(state.get(), field) == nullptr)
    return std::nullopt;
  const char* value = ::auparse_interpret_field(state.get());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

TEST(AuditSink, AuparseReadsBackTheBytes) {
  HostileBytes hostile(7);
  for (int round = 0; round < rounds(300); ++round) {
    const Alert alert = hostile.alert();
    // As the kernel and libaudit frame a user message.
    const std::string record =
        "type=ANOM_EXEC msg=audit(1795484879.068:7): pid=1 uid=0 auid=0 ses=1 "
        "msg='" +
        audit_text(alert) +
        " exe=\"/usr/sbin/audisp-preload\" hostname=? addr=? terminal=? "
        "res=success'\n";
    const auto expect = [&](const char* field, const std::string& bytes,
                            size_t limit) {
      const auto read = interpreted(record, field);
      ASSERT_TRUE(read) << field << " in " << record;
      EXPECT_EQ(*read, bytes.substr(0, limit)) << field << " in " << record;
    };
    expect("file", alert.term.value, 1800);
    expect("path", alert.event->executable, 500);
    expect("cmd", command_line(alert.event->argv), 600);
    expect("cwd", alert.event->cwd, 500);
    expect("opid", "1234", 4);
    if (HasFailure())
      return;
  }
}

TEST(AuditSink, ALongValueHasItsDigest) {
  Alert alert = sample_alert();
  alert.term.value = std::string(100'000, 'v');
  EXPECT_NE(audit_text(alert).find(" file_bytes=100000 file_sha256=" +
                                   hex(sha256(alert.term.value)) + " path="),
            std::string::npos);
}

}  // namespace
}  // namespace preload
