// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/exception.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "preload/base/text.h"

namespace preload {
namespace {

ExecEvent make_event() {
  ExecEvent event;
  event.executable = "/usr/bin/id";
  event.parent_executable = "/snap/core/1/bin/sh";
  event.argv = {"id", "-u", "rock and roll"};
  event.uid = 1000;
  event.key = "a,preload-exec";
  return event;
}

bool applies(const std::string& text, const EnvVar& var,
             const ExecEvent& event = make_event()) {
  const auto exception = parse_exception({7, text});
  EXPECT_TRUE(exception.has_value())
      << text << ": " << exception.error().message();
  FieldValues values(event);
  return exception &&
         exception->applies(values, Term{{}, var.name, var.value, {}});
}

std::string error_of(const std::string& text) {
  const auto exception = parse_exception({7, text});
  EXPECT_FALSE(exception.has_value()) << text;
  return exception ? "" : exception.error().message();
}

const EnvVar given{"LD_PRELOAD", "/usr/lib/libfoo.so"};

TEST(Exception, MatchesOneField) {
  EXPECT_TRUE(applies("process.env_vars:LD_PRELOAD=/usr/lib/*", given));
  EXPECT_FALSE(applies("process.env_vars:/usr/lib/*", given));
  EXPECT_FALSE(applies("process.env_vars:ld_preload=*", given));  // case
  EXPECT_TRUE(applies("process.executable:/usr/bin/i?", given));
  EXPECT_FALSE(applies("process.executable:/usr/bin/i", given));  // whole value
  EXPECT_TRUE(applies("process.parent.executable: /snap/*", given));
  EXPECT_TRUE(applies("user.id:1000", given));
  EXPECT_TRUE(applies("event.code:preload-exec", given));
  EXPECT_TRUE(applies("user.audit.id:\"\"", given));
  EXPECT_TRUE(applies("process.args:id -u *", given));
}

TEST(Exception, AllConditionsMustHold) {
  EXPECT_TRUE(applies("user.id:1000 and process.name:id", given));
  EXPECT_FALSE(applies("user.id:1000 and process.name:ls", given));
  EXPECT_TRUE(applies("user.id:1000 and not process.name:ls", given));
  EXPECT_FALSE(applies("not user.id:1000 and not process.name:ls", given));
  EXPECT_TRUE(applies("user.id:1000\tand  not \t process.name: ls", given));
}

TEST(Exception, QuotesAreLiteral) {
  const EnvVar star{"LD_PRELOAD", "/tmp/*.so"};
  EXPECT_TRUE(applies(R"(process.env_vars:"LD_PRELOAD=/tmp/*.so")", star));
  EXPECT_FALSE(applies(R"(process.env_vars:"LD_PRELOAD=/usr/*")", given));
  EXPECT_TRUE(applies(
      R"(process.args:"id -u 'rock and roll'" and user.id:1000)", given));
  EXPECT_TRUE(
      applies(R"(process.env_vars:"A=\"\\\x0a\xff")", {"A", "\"\\\n\xff"}));
}

TEST(Exception, AndInsideWordsIsNoConjunction) {
  EXPECT_TRUE(applies("process.env_vars:A=/opt/brand/andes land",
                      {"A", "/opt/brand/andes land"}));
}

TEST(Exception, ErrorsSayWhatIsWrongAndAllowed) {
  EXPECT_NE(error_of("process.pid:1").find("process.working_directory"),
            std::string::npos);
  EXPECT_NE(error_of("process.pid:1").find("'process.pid'"), std::string::npos);
  EXPECT_NE(error_of("LD_PRELOAD=x").find("field:pattern"), std::string::npos);
  EXPECT_NE(error_of("user.id:").find("no pattern"), std::string::npos);
  EXPECT_NE(error_of("user.id: and user.name:x").find("no pattern"),
            std::string::npos);
  EXPECT_NE(error_of("user.name:\"bob").find("closing quote"),
            std::string::npos);
  EXPECT_NE(error_of("user.name:\"bo\\b\"").find("backslash"),
            std::string::npos);
  EXPECT_NE(error_of("user.name:\"bob\" or user.name:eve").find("'or "),
            std::string::npos);
  EXPECT_NE(error_of("user.name:bob and").find("'and' after"),
            std::string::npos);
  EXPECT_NE(error_of("process.env_vars:LD_PRELOAD").find("NAME=value"),
            std::string::npos);
  EXPECT_NE(error_of("user.name:b\"o").find("quotes"), std::string::npos);
  EXPECT_NE(error_of("user.name:a and b and user.id:1").find("quotes"),
            std::string::npos);
  error_of("");
  error_of("and");
  error_of("not");
  error_of(":");
}

TEST(Exception, KeepsLineAndText) {
  const auto exception = parse_exception({12, "user.id:0"});
  ASSERT_TRUE(exception.has_value());
  EXPECT_EQ(exception->line, 12);
  EXPECT_EQ(exception->text, "user.id:0");
}

// Any value, printed as alerts print it, is an exception for exactly itself.
TEST(Exception, EveryValueCanBeWritten) {
  std::mt19937 random(5);
  for (int round = 0; round < 5000; ++round) {
    std::string value(random() % 12, '\0');
    for (char& c : value)
      c = random() % 3 == 0 ? "\\\"* a&"[random() % 6]
                            : static_cast<char>(1 + random() % 255);
    const std::string text =
        "process.env_vars:" + in_quotes("A=" + value) + " and user.id:1000";
    ASSERT_TRUE(applies(text, {"A", value})) << text;
    ASSERT_FALSE(applies(text, {"A", value + "x"})) << text;
  }
}

TEST(Exception, ParserStandsArbitraryText) {
  std::mt19937 random(6);
  const std::vector<std::string> parts{"user.id",
                                       ":",
                                       "\"",
                                       "\\",
                                       " and ",
                                       "not ",
                                       "*",
                                       "x",
                                       "\xff",
                                       " ",
                                       "process.env_vars:",
                                       "A=b",
                                       "\t"};
  int good = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string text;
    for (auto n = random() % 9; n > 0; --n)
      text += parts[random() % parts.size()];
    const auto exception = parse_exception({1, text});
    if (!exception) {
      ASSERT_FALSE(exception.error().context.empty());
      continue;
    }
    ++good;
    ASSERT_FALSE(exception->conditions.empty());
  }
  EXPECT_GT(good, 100);
}

bool slow_glob(std::string_view pattern, std::string_view text) {
  if (pattern.empty())
    return text.empty();
  if (pattern[0] == '*')
    return slow_glob(pattern.substr(1), text) ||
           (!text.empty() && slow_glob(pattern, text.substr(1)));
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) &&
         slow_glob(pattern.substr(1), text.substr(1));
}

TEST(Glob, AgreesWithTheDefinition) {
  std::mt19937 random(8);
  const auto word = [&random](const char* letters, size_t count, size_t most) {
    std::string s(random() % most, '\0');
    for (char& c : s)
      c = letters[random() % count];
    return s;
  };
  for (int round = 0; round < 200'000; ++round) {
    const std::string pattern = word("ab*?", 4, 7);
    const std::string text = word("ab", 2, 9);
    ASSERT_EQ(glob_match(pattern, text), slow_glob(pattern, text))
        << pattern << " on " << text;
  }
}

TEST(Glob, StarsInARowStayCheap) {
  const std::string text(size_t{128} * 1024, 'a');
  EXPECT_FALSE(glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
  EXPECT_TRUE(glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*", text));
}

}  // namespace
}  // namespace preload
