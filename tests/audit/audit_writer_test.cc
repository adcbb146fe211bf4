// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/audit_writer.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace preload {
namespace {

TEST(AuditText, WritesStringsAsAuditDoes) {
  AuditText text;
  text.word("op", "preload-term")
      .encoded("val", "/tmp/x.so", 100)
      .encoded("cwd", "/a b", 100)
      .number("opid", 7);
  EXPECT_EQ(text.text(),
            "op=preload-term val=\"/tmp/x.so\" cwd=2F612062 opid=7");
}

TEST(AuditText, NothingOutsideForgesAFieldOrARecord) {
  for (const char* bytes :
       {"x\" opid=1", "x\ntype=SYSCALL msg=audit(1.0:1): syscall=59", "\x01",
        "\xff\xfe", "\"", "a'b c"}) {
    AuditText text;
    text.encoded("val", bytes, 100);
    const std::string value = text.text().substr(4);
    EXPECT_EQ(value.find_first_not_of("0123456789ABCDEF"), std::string::npos)
        << value;
  }
  AuditText quote;
  quote.encoded("val", "it's", 100);
  EXPECT_EQ(quote.text(), "val=\"it's\"");
}

TEST(AuditText, EmptyIsAValue) {
  AuditText text;
  text.encoded("val", "", 100).word("a", "b");
  EXPECT_EQ(text.text(), "val=\"\" a=b");
}

TEST(AuditText, SaysHowMuchItCut) {
  AuditText text;
  text.encoded("val", std::string(50, 'v'), 3);
  EXPECT_EQ(text.text(), "val=\"vvv\" val_bytes=50");
}

TEST(AuditWriter, RefusesWhatTheKernelWouldCut) {
  AuditWriter writer;
  const Status status =
      writer.write_anomaly(std::string(kAuditTextBytes + 1, 'x'));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code.value(), EMSGSIZE);
}

}  // namespace
}  // namespace preload
