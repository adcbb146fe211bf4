// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/ecs_document.h"

#include <gtest/gtest.h>

#include "preload/base/digest.h"
#include "preload/base/text.h"
#include "samples.h"
#include "support/rounds.h"

namespace preload {
namespace {

constexpr EcsBounds kSmall{100, 100, 100, 200, 100, 200, 1};

TEST(EcsDocument, MeasuresAsElasticsearchAndJsonDo) {
  const TextSize size = text_size("a\"\\é\xf0\x9f\x98\x80");
  EXPECT_EQ(size.units, 1 + 1 + 1 + 1 + 2U);
  EXPECT_EQ(size.bytes, 1 + 2 + 2 + 2 + 4U);
}

TEST(EcsDocument, LeavesAloneWhatFits) {
  EcsDocument document(kSmall);
  EXPECT_EQ(document.fit("f", "/bin/\x01"), "/bin/\\x01");
  EXPECT_EQ(document.fit_variable({"A", std::string(198, 'b')}, 200),
            "A=" + std::string(198, 'b'));
  EXPECT_EQ(document.line(), "null");
}

TEST(EcsDocument, SaysWhatItCut) {
  EcsDocument document(kSmall);
  const std::string text = document.fit("process.args", std::string(101, 'a'));
  EXPECT_EQ(text_size(text).bytes, 100U);
  EXPECT_TRUE(text.ends_with("a\\...[101 bytes]"));
  EXPECT_EQ(document.line(), R"({"audisp_preload":{"cut":["process.args"]}})");
}

TEST(EcsDocument, AnyBytesCutToAnySize) {
  HostileBytes hostile(4);
  for (int round = 0; round < rounds(5'000); ++round) {
    EcsDocument document(kSmall);
    const EnvVar var{hostile(200), hostile(2'000)};
    const size_t units = 120 + hostile.below(300);
    const std::string text = document.fit_variable(var, units);
    const std::string bytes = var.name + "=" + var.value;
    ASSERT_LE(text_size(text).units, units);
    if (document.line() == "null") {
      ASSERT_EQ(unescaped(text), bytes);
      continue;
    }
    const size_t note = text.rfind("\\...[");
    ASSERT_NE(note, std::string::npos);
    const auto head = unescaped(text.substr(0, note));
    ASSERT_TRUE(head.has_value());
    ASSERT_TRUE(bytes.starts_with(*head));
    ASSERT_TRUE(text.ends_with(hex(sha256(bytes)) + "]"));
  }
}

}  // namespace
}  // namespace preload
