// SPDX-License-Identifier: Apache-2.0
// The configuration file: `key = value` lines, `#` comments. The defaults are
// the initialisers below and nowhere else; the manual is generated from them
// and the sample file is tested against them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "preload/base/result.h"

namespace preload {

inline constexpr int64_t kMinute = 60;
inline constexpr int64_t kDay = 86400;

enum class SyslogFormat { kText, kEcs, kCee, kOff };
enum class EcsEvents { kAlerts, kAll };
enum class CaptureChoice { kAuto, kConnector, kAudit };
enum class UnauditedPolicy { kAlert, kRecord, kIgnore };

// What `new_terms_fields` may name; detect/term.h has what each means.
inline constexpr std::array<std::string_view, 11> kTermFields{
    "process.env_vars",
    "process.executable",
    "process.name",
    "process.parent.executable",
    "process.parent.name",
    "process.working_directory",
    "user.id",
    "user.name",
    "user.audit.id",
    "container.id",
    "event.code"};

// An `exception =` line, not yet understood: detect/exception.h does that.
struct ExceptionLine {
  int line = 0;
  std::string text;
  bool operator==(const ExceptionLine&) const = default;
};

struct Config {
  std::vector<std::string> capture_env_vars{"LD_PRELOAD", "LD_LIBRARY_PATH"};
  std::vector<std::string> new_terms_fields{"process.env_vars"};
  int64_t history_window = 30 * kDay;  // seconds; 0 = first ever
  int64_t interval = 5 * kMinute;      // seconds
  uint32_t max_alerts = 100;           // per interval
  int64_t learning_period = 0;         // seconds
  std::vector<ExceptionLine> exceptions;
  std::string severity = "low";
  uint32_t risk_score = 21;
  std::string database = "/var/lib/audisp-preload/history.db";
  int64_t retention = 400 * kDay;  // seconds
  SyslogFormat syslog_format = SyslogFormat::kText;
  int syslog_facility = 10 << 3;  // LOG_AUTHPRIV; value as <syslog.h> has it
  std::string syslog_socket = "/dev/log";
  std::string ecs_file = "off";
  EcsEvents ecs_events = EcsEvents::kAlerts;
  bool audit_message = false;
  CaptureChoice capture = CaptureChoice::kAuto;
  int realtime_priority = 20;  // SCHED_FIFO; 0 = do not ask for it
  UnauditedPolicy unaudited = UnauditedPolicy::kAlert;
  int64_t audit_wait = 5;  // seconds
  std::string metrics_file = "off";
  std::string state_file = "/run/audisp-preload/state";
  int64_t watchdog = 60;  // seconds without progress; 0 = not watched
  std::string user = "audisp-preload";  // as whom it runs; root = as uid 0

  bool operator==(const Config&) const = default;
};

// One key of the file.
struct Setting {
  std::string_view key;
  std::string_view allowed;    // for messages: what a value may be
  bool needs_restart = false;  // a reload cannot change it
  bool repeatable = false;
  // Sets it from `value` (trimmed, not empty); false when it is not allowed.
  std::function<bool(Config&, std::string_view value, int line)> set = {};
  // The value in the file's own words.
  std::function<std::string(const Config&)> get = {};
  // Text of audisp-preload.conf(5), which man/generate.cc makes of it: section
  // heading, and what the key does in the markup described there.
  std::string_view section = {};
  std::string_view help = {};
};

// In the order of the manual.
[[nodiscard]] std::span<const Setting> settings();

// The configuration that `text` (the content of file `name`) gives. The error
// names file, line, key, what is wrong and what is allowed.
[[nodiscard]] Result<Config> parse_config(std::string_view text,
                                          std::string_view name);

// Reads a trusted file (see trusted_file.h) and parses it.
[[nodiscard]] Result<Config> load_config(const std::string& path);

// Seconds after which what was not seen is forgotten: `retention`, but never
// less than `history_window`; 0 = terms are kept for ever, since with
// `history_window = 0` the first sighting counts for ever.
[[nodiscard]] int64_t effective_retention(const Config& config);

// Gives `after` the values that `before` has of all keys that need a restart;
// the keys that differed.
std::vector<std::string> keep_restart_keys(const Config& before, Config& after);

}  // namespace preload
