// SPDX-License-Identifier: Apache-2.0
#include "preload/base/text.h"

#include <random>

#include <gtest/gtest.h>

namespace preload {
namespace {

TEST(Text, EscapesWhatCouldForgeALine) {
  EXPECT_EQ(escaped("a\nb\x1b[2J\x7f"), "a\\x0ab\\x1b[2J\\x7f");
  EXPECT_EQ(escaped("back\\slash \"quote\""), "back\\\\slash \"quote\"");
  EXPECT_EQ(in_quotes("say \"hi\"\\"), "\"say \\\"hi\\\"\\\\\"");
  EXPECT_EQ(escaped("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // right-to-left
  EXPECT_EQ(escaped("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");  // line separator
}

TEST(Text, KeepsPrintableUtf8) {
  EXPECT_EQ(escaped("/opt/größe/日本/😀"), "/opt/größe/日本/😀");
}

TEST(Text, EscapesInvalidUtf8ByteByByte) {
  EXPECT_EQ(escaped("\xc3"), "\\xc3");                    // cut
  EXPECT_EQ(escaped("\xc0\xaf"), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(escaped("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(escaped("\xf5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80");
}

TEST(Text, RoundTripsEveryBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) {
      constexpr std::string_view kTricky = "\\x\"0aF\xe2\x80\xa8\xc3\n";
      c = random() % 2 == 0 ? static_cast<char>(random() & 0xff)
                            : kTricky[random() % kTricky.size()];
    }
    ASSERT_EQ(unescaped(escaped(bytes)), bytes);
    const std::string q = in_quotes(bytes);
    ASSERT_EQ(unescaped(q.substr(1, q.size() - 2)), bytes);
    const size_t limit = random() % 80;
    const std::string whole = escaped(bytes);
    const std::string_view cut = escaped_prefix(whole, limit);
    ASSERT_LE(cut.size(), limit);
    ASSERT_TRUE(unescaped(cut).has_value());
    ASSERT_TRUE(bytes.starts_with(*unescaped(cut)));
  }
}

TEST(Text, RefusesWhatIsNoEscapedForm) {
  for (const char* text : {"\\", "\\x", "\\x1", "\\xzz", "\\n", "\\x-1"})
    EXPECT_FALSE(unescaped(text)) << text;
}

TEST(Text, CommandLineShowsTheBordersOfArguments) {
  EXPECT_EQ(command_line({"id", "-u"}), "id -u");
  EXPECT_EQ(command_line({"sh", "-c", "echo it's"}), "sh -c 'echo it'\\''s'");
  EXPECT_EQ(command_line({"", "a b"}), "'' 'a b'");
}

TEST(Text, IsoTime) {
  EXPECT_EQ(iso_time(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(iso_time(1'795'484'879'068'123), "2026-11-24T01:47:59.068Z");
  EXPECT_EQ(iso_time(-1), "1969-12-31T23:59:59.999Z");
}

TEST(Text, Durations) {
  EXPECT_EQ(duration_text(30 * 86400), "30d");
  EXPECT_EQ(duration_text(5400), "90m");
  EXPECT_EQ(duration_text(61), "61s");
  EXPECT_EQ(duration_text(0), "0");
}

}  // namespace
}  // namespace preload
