// SPDX-License-Identifier: Apache-2.0
// The database and what it holds, and the rule.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "preload/base/text.h"
#include "preload/base/trusted_file.h"
#include "preload/detect/rule.h"
#include "preload/doctor/check.h"
#include "preload/store/history_file.h"
#include "preload/store/history_reader.h"

namespace preload {
namespace {

constexpr uint64_t kNoSpace = uint64_t{16} << 20;
constexpr uint64_t kLittleSpace = uint64_t{256} << 20;
// Reading more would take minutes.
constexpr int64_t kCheckedBytes = int64_t{1} << 30;
constexpr int64_t kPendingTooLongUs = 60 * kMicrosPerSecond;
// Counts reach the database some seconds after the first exec.
constexpr int64_t kStartingUs = 60 * kMicrosPerSecond;
constexpr int64_t kGoodHundredths = 9900;
constexpr mode_t kDirectoryMode = 02750;

constexpr const char* kDirectory = "database directory";
constexpr const char* kFile = "database file";
constexpr const char* kSpace = "space for the database";
constexpr const char* kHealthy = "database healthy";
constexpr const char* kCoverage = "coverage today (UTC)";
constexpr const char* kOutbox = "alerts waiting";
constexpr const char* kRule = "rule";
constexpr const char* kException = "exception";
constexpr const char* kOnlyReaders = "only root and group adm may read it";

void check_directory(const SystemProbe& probe, const Deployment& deployment,
                     const std::string& path, CheckReport& report) {
  const std::string& user = deployment.config.user;
  struct stat status {};
  if (::stat(probe.at(path).c_str(), &status) != 0)
    return report.failure(
        kDirectory,
        fmt::format("{}: {}", path, std::generic_category().message(errno)),
        fmt::format("install -d -m 2750 -o {} -g adm {}", user, path));
  const auto uid = uid_of(probe, user);
  if (const auto flaw = find_flaw(probe, path, status, uid, S_IFDIR))
    return report.failure(kDirectory, flaw->what, flaw->remedy);
  // The plugin makes its user the owner when it starts.
  if (deployment.plugin && uid && *uid != 0 && status.st_uid != *uid)
    return report.failure(
        kDirectory,
        fmt::format("{} is not writable for the plugin's user {}", path, user),
        fmt::format("chown {} {}", user, path));
  const mode_t mode = status.st_mode & 07777U;
  const auto adm = gid_of(probe, "adm");
  if (mode != kDirectoryMode || (adm && status.st_gid != *adm))
    return report.warning(
        kDirectory,
        fmt::format("{} has mode {:04o} and group {}: the history is for root "
                    "and analysts of group adm",
                    path, mode, status.st_gid),
        fmt::format("chgrp adm {0} && chmod 2750 {0}", path));
  report.ok(kDirectory, path);
}

void check_file(const SystemProbe& probe, const Deployment& deployment,
                const std::string& path, CheckReport& report) {
  struct stat status {};
  if (::lstat(probe.at(path).c_str(), &status) != 0) {
    if (errno == EACCES)
      return report.skipped(kFile, kOnlyReaders);
    if (deployment.plugin)
      return report.failure(
          kFile,
          path +
              " does not exist, although the plugin runs: it was deleted, "
              "and the plugin recreates it within seconds",
          "run --check again; if it is still missing, " +
              std::string(kRestart));
    return report.note(kFile,
                       path +
                           " does not exist yet, the plugin creates it when it "
                           "starts");
  }
  if (const auto flaw =
          find_flaw(probe, path, status, uid_of(probe, deployment.config.user)))
    return report.failure(kFile, flaw->what, flaw->remedy);
  report.ok(kFile, path);
}

void check_space(const SystemProbe& probe, const std::string& path,
                 CheckReport& report) {
  const auto space = probe.space(probe.at(path));
  if (!space)
    return report.skipped(kSpace, space.error().message());
  if (space->read_only)
    return report.failure(kSpace,
                          "the file system of " + path + " is read-only",
                          "see dmesg for disk errors, mount -o remount,rw");
  const std::string left =
      fmt::format("{} MiB are left for {}", space->free_bytes >> 20, path);
  if (space->free_bytes < kNoSpace || !space->inodes_left)
    return report.failure(kSpace,
                          space->inodes_left ? left : "no inodes are left",
                          "make room: alerts are still sent, but not stored");
  if (space->free_bytes < kLittleSpace)
    return report.warning(kSpace, left, "make room, or lower `retention`");
  report.ok(kSpace, left);
}

// False when the content is not worth reading.
bool check_health(const SystemProbe& probe, const std::string& path,
                  HistoryReader& history, CheckReport& report) {
  const auto version = history.schema_version();
  if (!version) {
    report.failure(kHealthy, version.error().message(),
                   "move it away (the plugin creates a new one) or restore it");
    return false;
  }
  if (*version > schema_version()) {
    report.failure(kHealthy,
                   fmt::format("it has schema version {}, this program knows "
                               "up to {}",
                               *version, schema_version()),
                   "install the newer audisp-preload again");
    return false;
  }
  struct stat status {};
  if (::stat(probe.at(path).c_str(), &status) == 0 &&
      status.st_size > kCheckedBytes) {
    report.skipped(kHealthy,
                   fmt::format("it has {} MiB, which takes long to read: "
                               "sqlite3 -readonly {} 'PRAGMA quick_check'",
                               status.st_size >> 20, path));
    return true;
  }
  if (const Status sound = history.check_integrity(); !sound) {
    report.failure(kHealthy, sound.error().message(),
                   fmt::format("{}: at its start the plugin moves a damaged "
                               "database aside and creates a new one",
                               kRestart));
    return false;
  }
  const std::string what = fmt::format("schema version {}, {} terms", *version,
                                       history.term_count().value_or(0));
  if (*version < schema_version())
    report.note(kHealthy,
                fmt::format("{}; the plugin migrates it to version {} at its "
                            "next start",
                            what, schema_version()));
  else
    report.ok(kHealthy, what);
  return true;
}

void check_no_exec(const SystemProbe& probe, const Deployment& deployment,
                   CheckReport& report) {
  // ISO times of equal length compare as text.
  const bool starting = value_of(deployment.state, "started") >
                        iso_time(probe.clock->wall_us() - kStartingUs);
  if (!deployment.plugin || starting)
    return report.note(kCoverage, "no exec was counted yet");
  report.warning(kCoverage, "no exec was counted",
                 "run any program; if no exec is counted after a minute, see "
                 "the checks of rules and auditd above");
}

void check_coverage(const SystemProbe& probe, const Deployment& deployment,
                    HistoryReader& history, CheckReport& report) {
  const int64_t day = probe.clock->wall_us() / (kDay * kMicrosPerSecond);
  const auto found = history.coverage_of(day);
  if (!found)
    return report.skipped(kCoverage, found.error().message());
  if (!*found)
    return check_no_exec(probe, deployment, report);
  const DayCoverage& c = **found;
  const int64_t execs =
      c.captured_at_exec + c.captured_late + c.unaudited + c.missed;
  // Cut, not rounded, as the view coverage_by_day has it.
  const int64_t hundredths =
      execs == 0 ? 10000 : 10000 * (execs - c.missed) / execs;
  const std::string what = fmt::format(
      "{}.{:02} % of {} execs: {} at exec, {} late, {} unaudited, {} missed",
      hundredths / 100, hundredths % 100, execs, c.captured_at_exec,
      c.captured_late, c.unaudited, c.missed);
  if (hundredths < kGoodHundredths)
    return report.warning(
        kCoverage, what,
        "a better capture mode (above); the view missed_execs lists them");
  report.ok(kCoverage, what);
}

void check_pending(const SystemProbe& probe, HistoryReader& history,
                   CheckReport& report) {
  const auto pending = history.pending_alerts();
  if (!pending)
    return report.skipped(kOutbox, pending.error().message());
  if (pending->count == 0)
    return report.ok(kOutbox, "none");
  const std::string what =
      fmt::format("{} wait for a sink, the oldest since {}", pending->count,
                  iso_time(pending->oldest_us));
  if (probe.clock->wall_us() - pending->oldest_us < kPendingTooLongUs)
    return report.ok(kOutbox, what);
  report.warning(kOutbox, what,
                 "the checks of syslog and files show which sink fails; the "
                 "alerts are sent when it works again");
}

Result<HistoryReader> open_history(const SystemProbe& probe,
                                   const Deployment& deployment) {
  return HistoryReader::open(probe.at(deployment.config.database));
}

}  // namespace

void check_database_files(const SystemProbe& probe, Deployment& deployment,
                          CheckReport& report) {
  const std::string& path = deployment.config.database;
  const std::string directory = directory_of(path);
  check_directory(probe, deployment, directory, report);
  check_file(probe, deployment, path, report);
  check_space(probe, directory, report);
}

void check_database(const SystemProbe& probe, Deployment& deployment,
                    CheckReport& report) {
  const std::string& path = deployment.config.database;
  auto history = open_history(probe, deployment);
  if (!history) {
    const std::error_code code = history.error().code;
    if (code == std::errc::permission_denied)
      return report.skipped(kHealthy, kOnlyReaders);
    if (code == std::errc::no_such_file_or_directory)
      return report.skipped(kHealthy, "it does not exist yet");
    return report.failure(
        kHealthy, history.error().message(),
        fmt::format("move {} away, or set `database` to another path", path));
  }
  if (!check_health(probe, path, *history, report))
    return;
  check_coverage(probe, deployment, *history, report);
  check_pending(probe, *history, report);
}

void list_rule(const SystemProbe& probe, Deployment& deployment,
               CheckReport& report) {
  if (!deployment.config_known)
    return;
  int64_t created_us = probe.clock->wall_us();
  std::optional<std::vector<ExceptionHits>> hits;
  if (auto history = open_history(probe, deployment)) {
    created_us = history->created_at_us().value_or(created_us);
    if (auto found = history->exception_hits())
      hits = std::move(*found);
  }
  const auto rule =
      make_rule(deployment.config, deployment.config_file, created_us);
  if (!rule)
    return;
  for (const std::string& line : rule_text(*rule))
    report.note(kRule, line);
  for (const Exception& exception : rule->exceptions) {
    std::string times = hits ? "never hit" : "hits not known";
    if (hits)
      for (const ExceptionHits& h : *hits)
        if (h.text == exception.text)
          times =
              fmt::format("{} hits, last {}", h.hits, iso_time(h.last_hit_us));
    report.note(fmt::format("{} (line {})", kException, exception.line),
                fmt::format("{} - {}", exception.text, times));
  }
}

}  // namespace preload
