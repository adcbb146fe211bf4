// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/rule.h"

#include <gtest/gtest.h>

#include "preload/base/clock.h"

namespace preload {
namespace {

TEST(Rule, IsTheConfigurationsOwn) {
  const auto config = parse_config(
      "history_window = 5d\ninterval = 1m\nmax_alerts = 7\n"
      "new_terms_fields = user.id,process.env_vars\nlearning_period = 1d\n"
      "unaudited = record\nexception = user.id:0\n",
      "test.conf");
  ASSERT_TRUE(config.has_value()) << config.error().message();
  const auto rule = make_rule(*config, "test.conf", 1'000);
  ASSERT_TRUE(rule.has_value());
  EXPECT_EQ(rule->fields, config->new_terms_fields);
  EXPECT_EQ(rule->history_window_us, 5 * kDay * kMicrosPerSecond);
  EXPECT_EQ(rule->interval_us, kMinute * kMicrosPerSecond);
  EXPECT_EQ(rule->max_alerts, 7U);
  EXPECT_EQ(rule->learning_until_us, kDay * kMicrosPerSecond + 1'000);
  EXPECT_FALSE(rule->alert_unaudited);
  ASSERT_EQ(rule->exceptions.size(), 1U);
  EXPECT_EQ(rule->exceptions[0].line, 7);
}

TEST(Rule, DefaultsDoNotLearnAndAlertUnaudited) {
  const auto rule = make_rule(Config{}, "test.conf", 1'000);
  ASSERT_TRUE(rule.has_value());
  EXPECT_EQ(rule->learning_until_us, 0);
  EXPECT_TRUE(rule->alert_unaudited);
  EXPECT_FALSE(rule->inventory_is_baseline);
}

TEST(Rule, ErrorNamesFileAndLine) {
  const auto config =
      parse_config("# one\nexception = user.nmae:bob\n", "test.conf");
  ASSERT_TRUE(config.has_value());
  const auto rule = make_rule(*config, "test.conf", 0);
  ASSERT_FALSE(rule.has_value());
  const std::string message = rule.error().message();
  EXPECT_TRUE(
      message.starts_with("test.conf:2: exception: unknown field 'user.nmae'"))
      << message;
  EXPECT_NE(message.find("user.name"), std::string::npos);
}

}  // namespace
}  // namespace preload
