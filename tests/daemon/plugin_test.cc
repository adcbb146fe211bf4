// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/plugin.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace preload {
namespace {

using testing::HasSubstr;

Result<Options> parse(std::vector<std::string> args) {
  args.insert(args.begin(), "audisp-preload");
  std::vector<char*> argv;
  argv.reserve(args.size());
  for (std::string& arg : args)
    argv.push_back(arg.data());
  return parse_options(argv);
}

TEST(Options, RunAsAuditdStartsUs) {
  const auto options = parse({});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->action, Action::kRun);
  EXPECT_EQ(options->config, "/etc/audit/audisp-preload.conf");
}

TEST(Options, TakeAConfigurationWithEveryAction) {
  for (const std::vector<std::string>& config :
       {std::vector<std::string>{"--config", "/x.conf"},
        std::vector<std::string>{"--config=/x.conf"}}) {
    for (const auto& [option, action] :
         {std::pair("", Action::kRun), std::pair("--check", Action::kCheck),
          std::pair("--self-test", Action::kSelfTest),
          std::pair("--version", Action::kVersion),
          std::pair("--help", Action::kHelp)}) {
      std::vector<std::string> args = config;
      if (*option != '\0')
        args.emplace_back(option);
      const auto options = parse(args);
      ASSERT_TRUE(options) << option;
      EXPECT_EQ(options->action, action) << option;
      EXPECT_EQ(options->config, "/x.conf") << option;
    }
  }
}

TEST(Options, RefuseWhatTheyDoNotKnow) {
  for (const std::vector<std::string>& args : {
           std::vector<std::string>{"--chek"},
           std::vector<std::string>{"-c"},
           std::vector<std::string>{"--config"},
           std::vector<std::string>{"--check=yes"},
           std::vector<std::string>{"--check", "more"},
           std::vector<std::string>{"file"},
           std::vector<std::string>{""},
           std::vector<std::string>{"--", "file"},
           std::vector<std::string>{"--check", "--self-test"},
           std::vector<std::string>{"--check", "--check"},
           std::vector<std::string>{"--config", "/a", "--config", "/b"},
       }) {
    const auto options = parse(args);
    ASSERT_FALSE(options) << args[0];
    EXPECT_FALSE(options.error().message().empty());
  }
  EXPECT_THAT(parse({"--chek"}).error().message(), HasSubstr("--chek"));
  EXPECT_THAT(parse({"file"}).error().message(), HasSubstr("file"));
}

TEST(Options, UsageHasEachOfThem) {
  for (const char* option : {"--config FILE", "--check", "--self-test",
                             "--version", "--help", "audisp-preload(8)"})
    EXPECT_THAT(usage(), HasSubstr(option));
}

}  // namespace
}  // namespace preload
