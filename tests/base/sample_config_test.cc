// SPDX-License-Identifier: Apache-2.0
// The configuration as shipped is short, and shows the defaults of the code.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>

#include <gtest/gtest.h>

#include "preload/base/config.h"

namespace preload {
namespace {

TEST(SampleConfig, ShowsTheDefaultsOfTheCode) {
  std::ifstream file("audisp/audisp-preload.conf");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(text.empty());
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 40);
  EXPECT_EQ(*parse_config(text, "sample"), Config()) << "as shipped";
  std::map<std::string, std::string> shown;
  const std::regex line("(?:^|\n)#([a-z_]+) = ([^\n]+)");
  for (auto it = std::sregex_iterator(text.begin(), text.end(), line);
       it != std::sregex_iterator(); ++it)
    shown[(*it)[1]] = (*it)[2];
  EXPECT_EQ(shown.size(), 9U);
  for (const Setting& setting : settings()) {
    const auto found = shown.extract(std::string(setting.key));
    if (!found.empty()) {
      EXPECT_EQ(found.mapped(), setting.get(Config())) << setting.key;
    }
  }
  EXPECT_TRUE(shown.empty()) << shown.begin()->first << " is no key";
}

}  // namespace
}  // namespace preload
