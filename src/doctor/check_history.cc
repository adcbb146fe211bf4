// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_history.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "preload/base/text.h"
#include "preload/base/trusted_file.h"
#include "preload/detect/rule.h"
#include "preload/doctor/check_privileges.h"
#include "preload/store/history_file.h"
#include "preload/store/history_reader.h"

namespace preload {
namespace {

constexpr uint64_t kNoSpace = uint64_t{16} << 20;
constexpr uint64_t kLittleSpace = uint64_t{256} << 20;
// Reading more would take minutes.
constexpr int64_t kCheckedBytes = int64_t{1} << 30;
constexpr int64_t kPendingTooLongUs = 60 * kMicrosPerSecond;
constexpr double kGoodPercent = 99.0;
constexpr mode_t kDirectoryMode = 02750;

constexpr const char* kDirectory = "database directory";
constexpr const char* kFile = "database file";
constexpr const char* kSpace = "space for the database";
constexpr const char* kHealthy = "database healthy";
constexpr const char* kCoverage = "coverage today (UTC)";
constexpr const char* kOutbox = "alerts waiting";
constexpr const char* kRule = "rule";
constexpr const char* kException = "exception";

// That others may change it, or that not even root may; nothing when neither.
// `mount` is what would be remounted.
std::optional<Finding> fault_of(const SystemProbe& probe,
                                const Deployment& deployment,
                                const char* condition, const std::string& path,
                                const struct stat& status,
                                std::string_view mount) {
  if (const auto flaw =
          find_flaw(probe, path, status, plugin_uid(probe, deployment)))
    return broken(condition, flaw->what, flaw->mend);
  if (const int error = write_obstacle(probe, path); error != 0)
    return broken(
        condition,
        path + " is not writable: " + std::generic_category().message(error),
        fmt::format("remount {} read-write (dmesg tells of disk errors), or "
                    "chattr -i",
                    mount));
  return std::nullopt;
}

Finding judge_directory(const SystemProbe& probe, const Deployment& deployment,
                        const std::string& path) {
  struct stat status {};
  if (::stat(probe.at(path).c_str(), &status) != 0) {
    if (errno == EACCES)
      return unknown(kDirectory, "only root and group adm may look");
    return broken(kDirectory, path + " is not there",
                  fmt::format("install -d -m 2750 -o {} -g adm {}",
                              deployment.config.user, path));
  }
  if (!S_ISDIR(status.st_mode))
    return broken(
        kDirectory, path + " is not a directory",
        fmt::format("move it away; install -d -m 2750 -o {} -g adm {}",
                    deployment.config.user, path));
  if (auto fault = fault_of(probe, deployment, kDirectory, path, status, "it"))
    return *std::move(fault);
  // At its next start root's is given to the user.
  if (deployment.plugin && !may_write(status, deployment.plugin->uid))
    return broken(kDirectory,
                  fmt::format("{} is not writable for uid {}, who runs the "
                              "plugin",
                              path, deployment.plugin->uid),
                  fmt::format("chown {} {}", deployment.config.user, path));
  const mode_t mode = status.st_mode & 07777U;
  if ((mode & S_IRWXO) != 0)
    return warning(kDirectory,
                   fmt::format("{} has mode {:04o}: everybody may read which "
                               "values were used",
                               path, mode),
                   "chmod 2750 " + path);
  const auto adm = gid_of(probe, "adm");
  if ((mode & kDirectoryMode) != kDirectoryMode ||
      (adm && status.st_gid != *adm))
    return warning(kDirectory,
                   fmt::format("{} has mode {:04o} and group {}, so analysts "
                               "of group adm cannot read the history",
                               path, mode, status.st_gid),
                   fmt::format("chgrp adm {0} && chmod 2750 {0}", path));
  return good(kDirectory, path);
}

Finding judge_file(const SystemProbe& probe, const Deployment& deployment,
                   const std::string& path) {
  struct stat status {};
  if (::lstat(probe.at(path).c_str(), &status) != 0) {
    if (errno == EACCES)
      return unknown(kFile, "only root and group adm may look");
    if (deployment.plugin)
      return broken(kFile,
                    path +
                        " is not there, although the plugin runs: it was "
                        "deleted, and a new one is begun within seconds",
                    "--check again; then " + std::string(kRestart));
    return note(kFile,
                path + " is not there yet, the plugin creates it at its start");
  }
  if (!S_ISREG(status.st_mode))
    return broken(kFile, path + " is not a regular file",
                  std::string("move it away and ") + kRestart);
  if (auto fault =
          fault_of(probe, deployment, kFile, path, status, "its file system"))
    return *std::move(fault);
  return good(kFile, path);
}

Finding judge_space(const SystemProbe& probe, const std::string& path) {
  const auto space = probe.space(probe.at(path));
  if (!space)
    return unknown(kSpace, space.error().message());
  if (space->read_only)
    return broken(kSpace, "the file system of " + path + " is read-only",
                  "see dmesg for disk errors, mount -o remount,rw");
  const std::string left =
      fmt::format("{} MiB are left for {}", space->free_bytes >> 20, path);
  if (space->free_bytes < kNoSpace || !space->inodes_left)
    return broken(kSpace, space->inodes_left ? left : "no inodes are left",
                  "make room: alerts go on, but nothing is stored");
  if (space->free_bytes < kLittleSpace)
    return warning(kSpace, left, "make room, or lower `retention`");
  return good(kSpace, left);
}

Finding judge_health(const SystemProbe& probe, const std::string& path,
                     HistoryReader& history) {
  const auto version = history.schema_version();
  if (!version)
    return broken(kHealthy, version.error().message(),
                  "move it away (the plugin begins a new one) or restore it");
  if (*version > schema_version())
    return broken(kHealthy,
                  fmt::format("it has schema version {}, this program knows "
                              "up to {}",
                              *version, schema_version()),
                  "install the newer audisp-preload again");
  struct stat status {};
  if (::stat(probe.at(path).c_str(), &status) == 0 &&
      status.st_size > kCheckedBytes)
    return unknown(kHealthy,
                   fmt::format("it has {} MiB, which takes long to read: "
                               "sqlite3 -readonly {} 'PRAGMA quick_check'",
                               status.st_size >> 20, path));
  if (const Status sound = history.check_integrity(); !sound)
    return broken(kHealthy, sound.error().message(),
                  fmt::format("{}: a damaged database is moved aside then, "
                              "and a new history begun",
                              kRestart));
  const auto terms = history.term_count();
  if (*version < schema_version())
    return note(kHealthy,
                fmt::format("schema version {}, which the plugin brings to {} "
                            "at its next start",
                            *version, schema_version()));
  return good(kHealthy, fmt::format("schema version {}, {} terms", *version,
                                    terms.value_or(0)));
}

Finding judge_coverage(const SystemProbe& probe, const Deployment& deployment,
                       HistoryReader& history) {
  const int64_t day = probe.clock->wall_us() / (kDay * kMicrosPerSecond);
  const auto found = history.coverage_of(day);
  if (!found)
    return unknown(kCoverage, found.error().message());
  if (!*found)
    return deployment.plugin
               ? warning(kCoverage, "no exec was counted",
                         "run any program; if this stays so, see the rules "
                         "and auditd above")
               : note(kCoverage, "no exec was counted");
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
  if (static_cast<double>(hundredths) < 100 * kGoodPercent)
    return warning(kCoverage, what,
                   "a better capture mode (above); view missed_execs has "
                   "which");
  return good(kCoverage, what);
}

Finding judge_outbox(const SystemProbe& probe, HistoryReader& history) {
  const auto pending = history.pending_alerts();
  if (!pending)
    return unknown(kOutbox, pending.error().message());
  if (pending->count == 0)
    return good(kOutbox, "none");
  const std::string what =
      fmt::format("{} wait for a sink, the oldest since {}", pending->count,
                  iso_time(pending->oldest_us));
  if (probe.clock->wall_us() - pending->oldest_us < kPendingTooLongUs)
    return good(kOutbox, what);
  return warning(kOutbox, what,
                 "the checks of syslog and files tell which does not take "
                 "them; they are sent when it does");
}

Result<HistoryReader> inspect(const SystemProbe& probe,
                              const Deployment& deployment) {
  return HistoryReader::open(probe.at(deployment.config.database));
}

}  // namespace

void check_database_files(const SystemProbe& probe, Deployment& deployment,
                          Findings& findings) {
  const std::string& path = deployment.config.database;
  const std::string directory = directory_of(path);
  findings.push_back(judge_directory(probe, deployment, directory));
  findings.push_back(judge_file(probe, deployment, path));
  findings.push_back(judge_space(probe, directory));
}

void check_database(const SystemProbe& probe, Deployment& deployment,
                    Findings& findings) {
  const std::string& path = deployment.config.database;
  auto history = inspect(probe, deployment);
  if (!history) {
    const int error = history.error().code.value();
    if (history.error().code.category() != std::generic_category() ||
        (error != ENOENT && error != EACCES))
      findings.push_back(
          broken(kHealthy, history.error().message(),
                 fmt::format("move {} away, or set `database` to another path",
                             path)));
    else
      findings.push_back(unknown(
          kHealthy, error == EACCES ? "only root and group adm may read it"
                                    : "there is none yet"));
    return;
  }
  findings.push_back(judge_health(probe, path, *history));
  if (findings.back().health == Health::kBroken)
    return;
  findings.push_back(judge_coverage(probe, deployment, *history));
  findings.push_back(judge_outbox(probe, *history));
}

void tell_rule(const SystemProbe& probe, Deployment& deployment,
               Findings& findings) {
  if (!deployment.config_known)
    return;
  int64_t created_us = probe.clock->wall_us();
  std::vector<ExceptionHits> hits;
  bool hits_known = false;
  if (auto history = inspect(probe, deployment)) {
    created_us = history->created_at_us().value_or(created_us);
    auto found = history->exception_hits();
    hits_known = found.has_value();
    hits = std::move(found).value_or(std::vector<ExceptionHits>());
  }
  const auto rule =
      make_rule(deployment.config, deployment.config_file, created_us);
  if (!rule)
    return;
  for (const std::string& words : rule_text(*rule))
    findings.push_back(note(kRule, words));
  for (const Exception& exception : rule->exceptions) {
    const auto found = std::find_if(
        hits.begin(), hits.end(),
        [&](const ExceptionHits& h) { return h.text == exception.text; });
    std::string how_often = "hits not known";
    if (hits_known)
      how_often = "never hit";
    if (found != hits.end())
      how_often = fmt::format("{} hits, last {}", found->hits,
                              iso_time(found->last_hit_us));
    findings.push_back(
        note(fmt::format("{} (line {})", kException, exception.line),
             fmt::format("{} - {}", exception.text, how_often)));
  }
}

}  // namespace preload
