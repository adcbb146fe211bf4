// SPDX-License-Identifier: Apache-2.0
// The manuals describe every exit status, every view and every log message.
// Keys and metrics are generated into them, see man/generate.cc.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "preload/base/exit_code.h"

namespace preload {
namespace {

std::string content(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Manual : public testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(text_.empty()); }

  [[nodiscard]] bool has(const std::string& words) const {
    return text_.find(words) != std::string::npos;
  }

  const std::string text_ = content("man/audisp-preload.8.in");
};

// Filled in by man/generate.cc.
TEST_F(Manual, HasThePlacesOfGeneratedText) {
  EXPECT_TRUE(has("\n@METRICS@\n"));
  EXPECT_NE(content("man/audisp-preload.conf.5.in").find("\n@KEYS@\n"),
            std::string::npos);
}

TEST_F(Manual, TellsOfMetricsThatAreNotInTheTable) {
  EXPECT_TRUE(has("audisp_preload_alert_latency_seconds"));
  EXPECT_TRUE(has("audisp_preload_build_info"));
}

TEST_F(Manual, TellsOfEveryExitStatus) {
  constexpr std::array<ExitCode, 7> kAll{
      kExitGood,  kExitBroken, kExitUsage, kExitConfiguration,
      kExitStart, kExitFailed, kExitStuck};
  const size_t begin = text_.find("\n.SH EXIT STATUS\n");
  ASSERT_NE(begin, std::string::npos);
  const std::string section =
      text_.substr(begin, text_.find("\n.SH ", begin + 1) - begin);
  for (const ExitCode code : kAll)
    EXPECT_NE(section.find("\n.B " + std::to_string(code) + "\n"),
              std::string::npos)
        << code;
}

TEST(AlertsManual, TellsOfEveryView) {
  const std::string text = content("man/audisp-preload-alerts.5.in");
  const std::string schema = content("sql/schema.sql");
  ASSERT_FALSE(schema.empty());
  const std::regex view("CREATE VIEW ([a-z_]+) AS");
  int views = 0;
  for (auto it = std::sregex_iterator(schema.begin(), schema.end(), view);
       it != std::sregex_iterator(); ++it, ++views)
    EXPECT_NE(text.find("\n.B " + std::string((*it)[1]) + "\n"),
              std::string::npos)
        << (*it)[1];
  EXPECT_GT(views, 0);
}

// ---- Messages

// Their errors are only ever the WHY of another message, are defects, or are
// what --check and --self-test print.
constexpr std::array<std::string_view, 16> kNoMessages{
    "alert.cc",         "audit_status.cc", "audit_writer.cc",
    "byte_ring.cc",     "exception.cc",    "exec_event.cc",
    "exec_listener.cc", "sinks.cc",        "library_facts.cc",
    "deployment.cc",    "proc_event.cc",   "self_test.cc",
    "syslog_socket.cc", "exec_parser.cc",  "sqlite.cc",
    "history_reader.cc"};

// The string literals of a call, neighbours put together; `code` begins behind
// its parenthesis.
std::vector<std::string> literals_of_call(std::string_view code) {
  std::vector<std::string> literals;
  bool joins = false;
  int depth = 1;
  for (size_t i = 0; i < code.size() && depth > 0; ++i) {
    if (code[i] == '"') {
      if (!joins)
        literals.emplace_back();
      joins = true;
      for (++i; i < code.size() && code[i] != '"'; ++i) {
        if (code[i] == '\\')
          ++i;
        literals.back() += code[i];
      }
    } else if (code[i] != ' ' && code[i] != '\n') {
      joins = false;
      depth += code[i] == '(' ? 1 : code[i] == ')' ? -1 : 0;
    }
  }
  return literals;
}

// The first words of a message, {} for what differs.
std::string recognisable(const std::string& message) {
  constexpr size_t kEnough = 30;
  std::string text =
      std::regex_replace(message, std::regex("\\{[^}]*\\}"), "{}");
  if (text.size() > kEnough)
    text.resize(std::min(text.rfind(' ', kEnough), text.size()));
  return std::regex_replace(text, std::regex("^ +| +$"), "");
}

// The same form of a manual's lines.
std::string without_roff(std::string text) {
  text = std::regex_replace(text, std::regex(R"(\\fI[^\\]*\\fP)"), "{}");
  text = std::regex_replace(text, std::regex(R"(\\\(aq)"), "'");
  return std::regex_replace(text, std::regex(R"(\\-)"), "-");
}

// The longest literal of each call of one of `functions`.
std::vector<std::string> messages_of(const std::string& code,
                                     const std::string& functions) {
  const std::regex call("\\b(" + functions + ")\\(");
  std::vector<std::string> messages;
  for (auto it = std::sregex_iterator(code.begin(), code.end(), call);
       it != std::sregex_iterator(); ++it) {
    const auto literals = literals_of_call(
        std::string_view(code).substr(static_cast<size_t>(it->position()) +
                                      static_cast<size_t>(it->length())));
    const auto longest = std::max_element(
        literals.begin(), literals.end(),
        [](const auto& a, const auto& b) { return a.size() < b.size(); });
    if (longest != literals.end())
      messages.push_back(*longest);
  }
  return messages;
}

TEST_F(Manual, TellsOfEveryMessage) {
  const std::string manual = without_roff(text_);
  const std::string logs =
      "log|log_info|log_warning|log_error|log_limited|emergency_log|failed|"
      "failed_|stop_with";
  size_t count = 0;
  for (const auto& file :
       std::filesystem::recursive_directory_iterator("src")) {
    if (file.path().extension() != ".cc")
      continue;
    const bool errors_too =
        std::find(kNoMessages.begin(), kNoMessages.end(),
                  file.path().filename().string()) == kNoMessages.end();
    for (const std::string& message :
         messages_of(content(file.path().c_str()),
                     errors_too ? logs + "|fail" : logs)) {
      ++count;
      const std::string words = recognisable(message);
      EXPECT_TRUE(manual.find(words) != std::string::npos)
          << file.path() << ": " << words;
    }
  }
  EXPECT_GT(count, 70U);
}

}  // namespace
}  // namespace preload
