// SPDX-License-Identifier: Apache-2.0
#include "preload/base/config.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <syslog.h>

#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace preload {
namespace {

Config parsed(const std::string& text) {
  const auto config = parse_config(text, "test.conf");
  EXPECT_TRUE(config.has_value()) << config.error().message();
  return config.value_or(Config{});
}

std::string error_of(const std::string& text) {
  const auto config = parse_config(text, "test.conf");
  EXPECT_FALSE(config.has_value()) << text;
  return config ? "" : config.error().message();
}

// A value of each key that is not the default, and one that is refused.
struct Sample {
  std::string good;
  std::string bad;
};
const std::map<std::string, Sample, std::less<>>& samples() {
  static const std::map<std::string, Sample, std::less<>> table{
      {"capture_env_vars", {"LD_AUDIT,LD_*", "*"}},
      {"new_terms_fields", {"process.env_vars,user.id", "user.id"}},
      {"history_window", {"5d", "5w"}},
      {"interval", {"10m", "0"}},
      {"max_alerts", {"7", "0"}},
      {"learning_period", {"7d", "-1d"}},
      {"exception", {"user.id:0", ""}},
      {"severity", {"high", "High"}},
      {"risk_score", {"100", "101"}},
      {"database", {"/tmp/x.db", "x.db"}},
      {"retention", {"90d", "1h"}},
      {"syslog_format", {"cee", "xml"}},
      {"syslog_facility", {"local3", "local8"}},
      {"syslog_socket", {"/tmp/log", "off"}},
      {"ecs_file", {"/tmp/ecs.json", "on"}},
      {"ecs_events", {"all", "none"}},
      {"audit_message", {"yes", "true"}},
      {"capture", {"audit", "ebpf"}},
      {"realtime_priority", {"0", "100"}},
      {"unaudited", {"record", "drop"}},
      {"audit_wait", {"9s", "5"}},
      {"metrics_file", {"/tmp/m.prom", "m.prom"}},
      {"state_file", {"/tmp/state", "state"}},
      {"user", {"nobody", "1000"}},
      {"watchdog", {"5s", "5"}},
  };
  return table;
}

TEST(Config, EmptyIsTheDefaults) {
  EXPECT_EQ(parsed(""), Config{});
  EXPECT_EQ(parsed("# only\n\n  \t\n# comments"), Config{});
}

TEST(Config, EveryKeyIsSetShownRefusedAndDocumented) {
  ASSERT_EQ(settings().size(), samples().size());
  for (const Setting& setting : settings()) {
    SCOPED_TRACE(setting.key);
    const auto sample = samples().find(setting.key);
    ASSERT_NE(sample, samples().end());
    EXPECT_FALSE(setting.section.empty() || setting.help.empty());
    const std::string key(setting.key);
    const Config config =
        parsed(fmt::format("{} = {}", key, sample->second.good));
    EXPECT_NE(config, Config{});
    EXPECT_EQ(setting.get(config), sample->second.good);
    // What it shows of its default sets the default again.
    const std::string by_default = setting.get(Config{});
    if (!by_default.empty()) {
      EXPECT_EQ(parsed(fmt::format("{}={}", key, by_default)), Config{});
    }
    const std::string error =
        error_of(fmt::format("\n{} = {}", key, sample->second.bad));
    EXPECT_TRUE(error.starts_with("test.conf:2: " + key)) << error;
    EXPECT_NE(error.find(setting.allowed), std::string::npos) << error;
    EXPECT_NE(error_of(key + " =").find("no value"), std::string::npos);
    const std::string twice = fmt::format("{}={}\n", key, sample->second.good);
    if (setting.repeatable)
      EXPECT_TRUE(parse_config(twice + twice, "test.conf").has_value());
    else
      EXPECT_NE(error_of(twice + twice).find("second time"), std::string::npos);
  }
}

TEST(Config, BlanksAndLineEndsDoNotMatter) {
  EXPECT_EQ(parsed("  max_alerts\t=  7  \r\n\tseverity=high").max_alerts, 7U);
  EXPECT_EQ(parsed("capture_env_vars = A , B\t,C*").capture_env_vars,
            (std::vector<std::string>{"A", "B", "C*"}));
}

TEST(Config, TrailingJunkIsRefused) {
  error_of("max_alerts = 7 # seven");
  error_of("max_alerts = 7x");
  error_of("history_window = 5d 3h");
  error_of("history_window = 5");
  error_of("history_window = d");
  error_of("history_window = 99999999999999999999d");
  error_of("severity = high;");
  error_of("audit_message = yes yes");
  error_of("severity high");
  error_of("= high");
}

TEST(Config, UnknownKeyNamesTheKnownOnes) {
  const std::string error = error_of("max_alert = 7");
  EXPECT_TRUE(error.starts_with("test.conf:1: unknown key 'max_alert'"));
  for (const Setting& setting : settings())
    EXPECT_NE(error.find(setting.key), std::string::npos) << setting.key;
}

TEST(Config, VariableNames) {
  for (const char* bad : {"*", "A,", ",A", "A,A", "A*B", "A=B", "A B", "A**"})
    error_of(std::string("capture_env_vars = ") + bad);
  error_of("capture_env_vars = " + std::string(256, 'A'));
  EXPECT_EQ(parsed("capture_env_vars = " + std::string(255, 'A'))
                .capture_env_vars[0]
                .size(),
            255U);
  std::string many = "capture_env_vars = A0";
  for (int i = 1; i < 64; ++i)
    many += ",A" + std::to_string(i);
  EXPECT_EQ(parsed(many).capture_env_vars.size(), 64U);
  error_of(many + ",A64");
}

TEST(Config, TermFields) {
  EXPECT_EQ(parsed("new_terms_fields = user.id, process.env_vars,event.code")
                .new_terms_fields.size(),
            3U);
  for (const char* bad :
       {"process.env_vars,process.args", "process.env_vars,process.env_vars",
        "process.name", "process.env_vars,user.id,user.name,event.code"})
    error_of(std::string("new_terms_fields = ") + bad);
  // The message lists every field that there is.
  const std::string error = error_of("new_terms_fields = x");
  for (const std::string_view field : kTermFields)
    EXPECT_NE(error.find(field), std::string::npos) << field;
}

TEST(Config, ExceptionsKeepTheirLines) {
  const Config config = parsed(
      "# one\nexception = user.id:0 # not a comment\n"
      "severity = high\nexception=a:b = c\n");
  EXPECT_EQ(config.exceptions,
            (std::vector<ExceptionLine>{{2, "user.id:0 # not a comment"},
                                        {4, "a:b = c"}}));
}

TEST(Config, RetentionNeverCutsTheWindow) {
  EXPECT_EQ(effective_retention(parsed("retention=90d\nhistory_window=30d")),
            90 * kDay);
  EXPECT_EQ(effective_retention(parsed("retention=9d\nhistory_window=30d")),
            30 * kDay);
  EXPECT_EQ(effective_retention(parsed("retention=9d\nhistory_window=0")), 0);
}

TEST(Config, FacilityIsSyslogsOwn) {
  EXPECT_EQ(Config{}.syslog_facility, LOG_AUTHPRIV);
  EXPECT_EQ(parsed("syslog_facility = local7").syslog_facility, LOG_LOCAL7);
}

TEST(Config, ReloadKeepsWhatNeedsARestartAndTellsIt) {
  Config same;
  EXPECT_TRUE(keep_restart_keys(Config{}, same).empty());
  Config after = parsed("database=/x\nseverity=high");
  EXPECT_EQ(keep_restart_keys(Config{}, after),
            std::vector<std::string>{"database"});
  EXPECT_EQ(after, parsed("severity=high"));
}

TEST(Config, LoadsATrustedFile) {
  const TempDir dir;
  const std::string path = dir / "preload.conf";
  const auto missing = load_config(path);
  ASSERT_FALSE(missing.has_value());
  std::ofstream(path) << "max_alerts=3\n";
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  const auto config = load_config(path);
  ASSERT_TRUE(config.has_value()) << config.error().message();
  EXPECT_EQ(config->max_alerts, 3U);
  std::ofstream(path, std::ios::app) << "nonsense\n";
  EXPECT_TRUE(load_config(path).error().message().starts_with(path + ":2: "));
}

// Whatever the file holds, the parser gives a configuration or one line that
// is safe to print.
TEST(Config, StandsAnyFile) {
  std::mt19937 random(12);
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (auto n = random() % 4; n > 0; --n) {
      text += settings()[random() % settings().size()].key;
      text += random() % 8 == 0 ? "" : "=";
      for (auto m = random() % 6; m > 0; --m)
        text += random() % 2 == 0 ? static_cast<char>(random() & 0xff)
                                  : "0d,*/\n\0\"\x1b"[random() % 9];
      text += '\n';
    }
    const auto config = parse_config(text, "t");
    if (config)
      continue;
    const std::string error = config.error().message();
    ASSERT_TRUE(error.starts_with("t:")) << error;
    for (const char c : error)
      ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << error;
  }
}

}  // namespace
}  // namespace preload
