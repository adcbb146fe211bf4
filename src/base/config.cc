// SPDX-License-Identifier: Apache-2.0
#include "preload/base/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <syslog.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include "preload/base/text.h"
#include "preload/base/trusted_file.h"

namespace preload {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;
constexpr size_t kMaxNames = 64;
// ld.so's own names are shorter; the scanner's buffer has this size.
constexpr size_t kMaxNameBytes = 255;
constexpr int64_t kMaxDuration = int64_t{100} * 366 * kDay;
constexpr size_t kMaxUserBytes = 255;
constexpr size_t kMaxExceptions = 10'000;

template <class T>
using Words = std::vector<std::pair<std::string_view, T>>;

// A setting whose value is one of a list of words.
template <class T>
Setting word(std::string_view key, std::string_view allowed, bool restart,
             T Config::*member, Words<T> words) {
  return {key,
          allowed,
          restart,
          false,
          [=](Config& config, std::string_view value, int /*line*/) {
            for (const auto& [name, meaning] : words) {
              if (name != value)
                continue;
              config.*member = meaning;
              return true;
            }
            return false;
          },
          [=](const Config& config) {
            for (const auto& [name, meaning] : words)
              if (meaning == config.*member)
                return std::string(name);
            return std::string();
          }};
}

template <class T>
Setting number(std::string_view key, std::string_view allowed, bool restart,
               T Config::*member, uint64_t least, uint64_t most) {
  return {
      key,
      allowed,
      restart,
      false,
      [=](Config& config, std::string_view value, int /*line*/) {
        const auto parsed = parse_unsigned(value);
        if (!parsed || *parsed < least || *parsed > most)
          return false;
        config.*member = static_cast<T>(*parsed);
        return true;
      },
      [=](const Config& config) { return fmt::format("{}", config.*member); }};
}

std::optional<int64_t> parse_duration(std::string_view value) {
  int64_t unit = 1;
  if (value.empty())
    return std::nullopt;
  switch (value.back()) {
    case 's':
      break;
    case 'm':
      unit = kMinute;
      break;
    case 'h':
      unit = 60 * kMinute;
      break;
    case 'd':
      unit = kDay;
      break;
    default:
      return value == "0" ? std::optional<int64_t>(0) : std::nullopt;
  }
  const auto count = parse_unsigned(value.substr(0, value.size() - 1));
  if (!count || *count > static_cast<uint64_t>(kMaxDuration / unit))
    return std::nullopt;
  return static_cast<int64_t>(*count) * unit;
}

Setting duration(std::string_view key, std::string_view allowed,
                 int64_t Config::*member, int64_t least) {
  return {key,
          allowed,
          false,
          false,
          [=](Config& config, std::string_view value, int /*line*/) {
            const auto parsed = parse_duration(value);
            if (!parsed || *parsed < least)
              return false;
            config.*member = *parsed;
            return true;
          },
          [=](const Config& config) { return duration_text(config.*member); }};
}

Setting path(std::string_view key, bool restart, std::string Config::*member,
             bool may_be_off) {
  return {key,
          may_be_off ? "an absolute path, or off" : "an absolute path",
          restart,
          false,
          [=](Config& config, std::string_view value, int /*line*/) {
            if (value.front() != '/' && !(may_be_off && value == "off"))
              return false;
            config.*member = value;
            return true;
          },
          [=](const Config& config) { return config.*member; }};
}

bool valid_name(std::string_view name) {
  if (name.ends_with('*'))
    name.remove_suffix(1);
  return !name.empty() && name.size() <= kMaxNameBytes &&
         name.find_first_of("=* \t") == std::string_view::npos;
}

bool set_names(std::vector<std::string>& names, std::string_view value,
               size_t most) {
  std::vector<std::string> parts = split(value, ',');
  const std::set<std::string_view> distinct(parts.begin(), parts.end());
  if (parts.size() > most || distinct.size() != parts.size())
    return false;
  names = std::move(parts);
  return true;
}

// Not a number: it may be nobody's yet, and somebody's later.
bool valid_user(std::string_view name) {
  return name.size() <= kMaxUserBytes && name.front() != '-' &&
         !parse_unsigned(name) &&
         name.find_first_of(":/ \t") == std::string_view::npos;
}

const Words<int>& facilities() {
  static const Words<int> table{
      {"kern", LOG_KERN},         {"user", LOG_USER},
      {"mail", LOG_MAIL},         {"daemon", LOG_DAEMON},
      {"auth", LOG_AUTH},         {"syslog", LOG_SYSLOG},
      {"lpr", LOG_LPR},           {"news", LOG_NEWS},
      {"uucp", LOG_UUCP},         {"cron", LOG_CRON},
      {"authpriv", LOG_AUTHPRIV}, {"ftp", LOG_FTP},
      {"local0", LOG_LOCAL0},     {"local1", LOG_LOCAL1},
      {"local2", LOG_LOCAL2},     {"local3", LOG_LOCAL3},
      {"local4", LOG_LOCAL4},     {"local5", LOG_LOCAL5},
      {"local6", LOG_LOCAL6},     {"local7", LOG_LOCAL7}};
  return table;
}

constexpr std::string_view kDuration = "a duration such as 30d, 12h, 5m or 90s";
constexpr std::string_view kDurationOrZero =
    "a duration such as 30d, 12h, 5m or 90s, or 0";

std::vector<Setting> make_settings() {
  std::vector<Setting> table;
  table.push_back(
      {"capture_env_vars",
       "1 to 64 different variable names, separated by commas, each up to 255 "
       "bytes, * allowed at the end (but not alone)",
       false, false,
       [](Config& config, std::string_view value, int /*line*/) {
         const auto names = split(value, ',');
         return std::all_of(names.begin(), names.end(), valid_name) &&
                set_names(config.capture_env_vars, value, kMaxNames);
       },
       [](const Config& config) {
         return fmt::format("{}", fmt::join(config.capture_env_vars, ","));
       }});
  table.push_back(
      {"new_terms_fields",
       "one to three different fields, separated by commas, process.env_vars "
       "among them; the others are process.executable, process.name, "
       "process.parent.executable, process.parent.name, "
       "process.working_directory, user.id, user.name, user.audit.id, "
       "container.id, event.code",
       false, false,
       [](Config& config, std::string_view value, int /*line*/) {
         const auto names = split(value, ',');
         const auto has = [](const auto& list, std::string_view name) {
           return std::find(list.begin(), list.end(), name) != list.end();
         };
         return has(names, kTermFields[0]) &&
                std::all_of(names.begin(), names.end(),
                            [&](const std::string& name) {
                              return has(kTermFields, name);
                            }) &&
                set_names(config.new_terms_fields, value, 3);
       },
       [](const Config& config) {
         return fmt::format("{}", fmt::join(config.new_terms_fields, ","));
       }});
  table.push_back(
      duration("history_window", kDurationOrZero, &Config::history_window, 0));
  table.push_back(duration("interval", kDuration, &Config::interval, 1));
  table.push_back(number("max_alerts", "a number from 1 to 1000000", false,
                         &Config::max_alerts, 1, 1'000'000));
  table.push_back(duration("learning_period", kDurationOrZero,
                           &Config::learning_period, 0));
  table.push_back({"exception",
                   "field:pattern [and field:pattern ...], up to 10000 lines",
                   false, true,
                   [](Config& config, std::string_view value, int line) {
                     if (config.exceptions.size() >= kMaxExceptions)
                       return false;
                     config.exceptions.push_back({line, std::string(value)});
                     return true;
                   },
                   [](const Config& config) {
                     std::string all;
                     for (const ExceptionLine& exception : config.exceptions)
                       all += (all.empty() ? "" : "\n") + exception.text;
                     return all;
                   }});
  table.push_back(word<std::string>("severity", "low, medium, high or critical",
                                    false, &Config::severity,
                                    {{"low", "low"},
                                     {"medium", "medium"},
                                     {"high", "high"},
                                     {"critical", "critical"}}));
  table.push_back(number("risk_score", "a number from 0 to 100", false,
                         &Config::risk_score, 0, 100));
  table.push_back(path("database", true, &Config::database, false));
  table.push_back(duration("retention", kDuration, &Config::retention, kDay));
  table.push_back(word<SyslogFormat>("syslog_format", "text, ecs, cee or off",
                                     false, &Config::syslog_format,
                                     {{"text", SyslogFormat::kText},
                                      {"ecs", SyslogFormat::kEcs},
                                      {"cee", SyslogFormat::kCee},
                                      {"off", SyslogFormat::kOff}}));
  table.push_back(word<int>("syslog_facility",
                            "a facility of syslog(3) in lower case: authpriv, "
                            "auth, daemon, user, local0 to local7, ...",
                            false, &Config::syslog_facility, facilities()));
  table.push_back(path("syslog_socket", false, &Config::syslog_socket, false));
  table.push_back(path("ecs_file", false, &Config::ecs_file, true));
  table.push_back(word<EcsEvents>(
      "ecs_events", "alerts or all", false, &Config::ecs_events,
      {{"alerts", EcsEvents::kAlerts}, {"all", EcsEvents::kAll}}));
  // The capability that it needs is kept at start, or gone.
  table.push_back(word<bool>("audit_message", "yes or no", true,
                             &Config::audit_message,
                             {{"yes", true}, {"no", false}}));
  table.push_back(word<CaptureChoice>("capture", "auto, connector or audit",
                                      true, &Config::capture,
                                      {{"auto", CaptureChoice::kAuto},
                                       {"connector", CaptureChoice::kConnector},
                                       {"audit", CaptureChoice::kAudit}}));
  table.push_back(number("realtime_priority", "a number from 0 to 99", true,
                         &Config::realtime_priority, 0, 99));
  table.push_back(word<UnauditedPolicy>(
      "unaudited", "alert, record or ignore", false, &Config::unaudited,
      {{"alert", UnauditedPolicy::kAlert},
       {"record", UnauditedPolicy::kRecord},
       {"ignore", UnauditedPolicy::kIgnore}}));
  table.push_back(duration("audit_wait", kDuration, &Config::audit_wait, 1));
  table.push_back(path("metrics_file", false, &Config::metrics_file, true));
  table.push_back(path("state_file", true, &Config::state_file, false));
  table.push_back({"user", "the name of a user of this system, or root", true,
                   false,
                   [](Config& config, std::string_view value, int /*line*/) {
                     if (!valid_user(value))
                       return false;
                     config.user = value;
                     return true;
                   },
                   [](const Config& config) { return config.user; }});
  table.push_back(duration("watchdog", kDurationOrZero, &Config::watchdog, 0));
  return table;
}

// Applies one line; empty when it is good, else what is wrong with it.
std::string apply_line(Config& config, std::set<std::string_view>& seen,
                       std::string_view line, int number) {
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos)
    return fmt::format("'{}' is not of the form key = value", escaped(line));
  const std::string_view key = trimmed(line.substr(0, equals));
  const std::string_view value = trimmed(line.substr(equals + 1));
  const auto table = settings();
  const auto setting =
      std::find_if(table.begin(), table.end(),
                   [&](const Setting& s) { return s.key == key; });
  if (setting == table.end()) {
    std::vector<std::string_view> keys;
    for (const Setting& known : table)
      keys.push_back(known.key);
    return fmt::format("unknown key '{}'; known keys are {}", escaped(key),
                       fmt::join(keys, ", "));
  }
  if (!setting->repeatable && !seen.insert(setting->key).second)
    return fmt::format("{} is set a second time; once is allowed", key);
  if (value.empty())
    return fmt::format("{} has no value; allowed: {}", key, setting->allowed);
  if (!setting->set(config, value, number))
    return fmt::format("{} cannot be '{}'; allowed: {}", key, escaped(value),
                       setting->allowed);
  return {};
}

}  // namespace

std::span<const Setting> settings() {
  static const std::vector<Setting> table = make_settings();
  return table;
}

Result<Config> parse_config(std::string_view text, std::string_view name) {
  Config config;
  std::set<std::string_view> seen;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#')
      continue;
    const std::string wrong = apply_line(config, seen, line, number);
    if (!wrong.empty())
      return fail(fmt::format("{}:{}: {}", name, number, wrong));
  }
  return config;
}

Result<Config> load_config(const std::string& path) {
  const auto file = open_trusted(path);
  if (!file)
    return tl::unexpected(file.error());
  const auto text = read_all(*file, kMaxFileBytes, path);
  if (!text)
    return tl::unexpected(text.error());
  return parse_config(*text, path);
}

int64_t effective_retention(const Config& config) {
  if (config.history_window == 0)
    return 0;
  return std::max(config.retention, config.history_window);
}

std::vector<std::string> restart_keys(const Config& before,
                                      const Config& after) {
  std::vector<std::string> keys;
  for (const Setting& setting : settings())
    if (setting.needs_restart && setting.get(before) != setting.get(after))
      keys.emplace_back(setting.key);
  return keys;
}

void keep_restart_keys(const Config& before, Config& after) {
  for (const Setting& setting : settings())
    if (setting.needs_restart)
      setting.set(after, setting.get(before), 0);
}

}  // namespace preload
