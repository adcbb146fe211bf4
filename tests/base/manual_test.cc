// SPDX-License-Identifier: Apache-2.0
// The manual tells of every metric, every exit status and every view.
#include <array>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "preload/base/metrics.h"
#include "preload/daemon/options.h"

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

  const std::string text_ = content("man/audisp-preload.8");
};

// What stands between the first two double quotes.
std::string label_value(std::string_view labels) {
  const size_t open = labels.find('"');
  if (open == std::string_view::npos)
    return {};
  return std::string(
      labels.substr(open + 1, labels.find('"', open + 1) - open - 1));
}

TEST_F(Manual, TellsOfEveryMetric) {
  for (const MetricInfo& info : metric_table()) {
    EXPECT_TRUE(has(std::string(info.family))) << info.family;
    EXPECT_TRUE(has(label_value(info.labels))) << info.labels;
  }
  // Those that are not in the table: see deliver/metrics_file.cc.
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

TEST_F(Manual, TellsOfEveryView) {
  const std::string schema = content("sql/schema.sql");
  ASSERT_FALSE(schema.empty());
  const std::regex view("CREATE VIEW ([a-z_]+) AS");
  int views = 0;
  for (auto it = std::sregex_iterator(schema.begin(), schema.end(), view);
       it != std::sregex_iterator(); ++it, ++views)
    EXPECT_TRUE(has("\n.B " + std::string((*it)[1]) + "\n")) << (*it)[1];
  EXPECT_GT(views, 0);
}

}  // namespace
}  // namespace preload
