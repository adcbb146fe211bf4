// SPDX-License-Identifier: Apache-2.0
// The sample file and the manual tell the defaults that the code has.
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>

#include <gtest/gtest.h>

#include "preload/base/config.h"

namespace preload {
namespace {

std::string content(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(SampleConfig, ShowsEveryKeyWithItsDefault) {
  const std::string text = content("audisp/audisp-preload.conf");
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(*parse_config(text, "sample"), Config()) << "as shipped";
  std::map<std::string, std::string> shown;
  const std::regex line("(?:^|\n)#([a-z_]+) = ([^\n]+)");
  for (auto it = std::sregex_iterator(text.begin(), text.end(), line);
       it != std::sregex_iterator(); ++it)
    shown[(*it)[1]] = (*it)[2];
  for (const Setting& setting : settings()) {
    if (setting.repeatable)
      continue;
    EXPECT_EQ(shown[std::string(setting.key)], setting.get(Config()))
        << setting.key;
    shown.erase(std::string(setting.key));
  }
  EXPECT_TRUE(shown.empty()) << shown.begin()->first << " is no key";
}

TEST(SampleConfig, ManualShowsEveryKeyWithItsDefault) {
  const std::string text = content("man/audisp-preload.conf.5");
  ASSERT_FALSE(text.empty());
  for (const Setting& setting : settings()) {
    const std::string key(setting.key);
    EXPECT_NE(text.find("\n.B " + key + "\n"), std::string::npos) << key;
    if (setting.repeatable)
      continue;
    EXPECT_NE(text.find(".\\\" default " + key + " = " + setting.get(Config()) +
                        "\n"),
              std::string::npos)
        << key;
  }
}

}  // namespace
}  // namespace preload
