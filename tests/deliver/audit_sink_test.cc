// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/audit_sink.h"

#include <gtest/gtest.h>

#include "preload/base/digest.h"
#include "samples.h"

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
  for (int round = 0; round < 1'000; ++round) {
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

TEST(AuditSink, ALongValueHasItsDigest) {
  Alert alert = sample_alert();
  alert.term.value = std::string(100'000, 'v');
  EXPECT_NE(audit_text(alert).find(" file_bytes=100000 file_sha256=" +
                                   hex(sha256(alert.term.value)) + " path="),
            std::string::npos);
}

}  // namespace
}  // namespace preload
