// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/deployment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <span>
#include <thread>

#include "preload/base/clock.h"
#include "preload/base/fd.h"
#include "preload/base/text.h"
#include "preload/capture/proc_event.h"
#include "preload/deliver/syslog_socket.h"
#include "preload/detect/new_terms.h"
#include "preload/procfs/process_dir.h"
#include "preload/sandbox/privileges.h"

namespace preload {
namespace {

constexpr size_t kFileLimit = size_t{64} << 10;

std::string content_of(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd ? read_all(fd, kFileLimit, path).value_or("") : "";
}

Result<Config> valid_config(const std::string& file) {
  auto config = load_config(file);
  if (!config)
    return config;
  if (const auto rule = make_rule(*config, file, 0); !rule)
    return tl::unexpected(rule.error());
  if (const auto user = find_identity(config->user); !user)
    return tl::unexpected(user.error());
  return config;
}

enum class Kind { kProgram, kPublic, kSecret };

// A file that does not exist has none.
std::optional<Flaw> flaw_of(const std::string& path,
                            std::span<const uid_t> owners, Kind kind) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return std::nullopt;
  if (auto flaw = find_flaw(path, status, owners))
    return flaw;
  // auditd's own condition: audit-userspace, audisp-pconfig.c.
  if (kind == Kind::kProgram &&
      (status.st_mode & (S_IRWXU | S_IRWXG | S_IWOTH)) != 0750)
    return Flaw{fmt::format("{} has mode {:04o}, auditd requires mode 0750",
                            path, status.st_mode & 07777U),
                "chmod 0750 " + path};
  if (kind == Kind::kSecret && (status.st_mode & S_IRWXO) != 0)
    return Flaw{fmt::format("{} has mode {:04o}, others could read it", path,
                            status.st_mode & 07777U),
                "chmod o-rwx " + path};
  return std::nullopt;
}

std::optional<Flaw> first_flaw(const Deployment& deployment,
                               const std::string& binary) {
  const Config config = deployment.settings();
  const std::array<uid_t, 1> root{0};
  const std::array<uid_t, 2> daemon{
      0, find_identity(config.user)
             .map([](const Identity& user) { return user.uid; })
             .value_or(0)};
  for (const auto& flaw :
       {flaw_of(deployment.config_file, root, Kind::kSecret),
        flaw_of(deployment.entry_file, root, Kind::kPublic),
        flaw_of(binary, root, Kind::kProgram),
        flaw_of(directory_of(config.database), daemon, Kind::kSecret),
        flaw_of(config.database, daemon, Kind::kSecret)})
    if (flaw)
      return flaw;
  return std::nullopt;
}

std::string comm_of(const ProcessDir& process) {
  return split(process.read("comm", kFileLimit).value_or(""), '\n')[0];
}

// The state file once it is no longer `before`; it has the time of writing.
Result<std::string> request_state(pid_t pid, const std::string& file,
                                  const std::string& before) {
  constexpr int kSteps = 100;
  constexpr std::chrono::milliseconds kStep{10};
  if (::kill(pid, SIGUSR1) != 0)
    return fail(fmt::format("cannot send SIGUSR1 to pid {}", pid), errno);
  for (int step = 0; step < kSteps; ++step) {
    if (auto text = content_of(file); text != before && !text.empty())
      return text;
    std::this_thread::sleep_for(kStep);
  }
  return fail(fmt::format("pid {} did not write {} within 1 s", pid, file),
              ETIMEDOUT);
}

void find_plugin(Deployment& deployment) {
  const std::string file = deployment.settings().state_file;
  const std::string before = content_of(file);
  deployment.state = key_values(before, ':');
  const auto pid = parse_unsigned(deployment.state["pid"]);
  const auto process = ProcessDir::open(static_cast<int32_t>(pid.value_or(0)));
  // The file may be an old one, and the pid another program's, which the signal
  // would end.
  if (!process || comm_of(*process) != "audisp-preload" ||
      (deployment.audit &&
       process->ppid() != static_cast<pid_t>(deployment.audit->pid))) {
    deployment.state.clear();
    return;
  }
  RunningPlugin plugin;
  plugin.pid = process->pid();
  plugin.replaced = process->link("exe").ends_with(" (deleted)");
  if (const auto now = request_state(plugin.pid, file, before))
    deployment.state = key_values(*now, ':');
  else
    plugin.answered = tl::unexpected(now.error());
  deployment.plugin = plugin;
}

Status try_realtime(int priority) {
  sched_param parameter{};
  parameter.sched_priority = priority;
  if (::sched_setscheduler(0, SCHED_FIFO, &parameter) != 0)
    return fail("SCHED_FIFO refused", errno);
  parameter.sched_priority = 0;
  ::sched_setscheduler(0, SCHED_OTHER, &parameter);
  return {};
}

Result<HistoryState> read_history(const std::string& path) {
  auto history = HistoryReader::open(path);
  if (!history)
    return tl::unexpected(history.error());
  if (const Status sound = history->check_integrity(); !sound)
    return tl::unexpected(sound.error());
  HistoryState state;
  state.schema_version = history->schema_version().value_or(0);
  state.terms = history->term_count().value_or(0);
  state.pending = history->pending_alerts().value_or(PendingAlerts());
  state.hits = history->exception_hits().value_or(state.hits);
  return state;
}

void examine_database(Deployment& deployment) {
  const std::string path = deployment.settings().database;
  const std::string directory = directory_of(path);
  struct statvfs system {};
  if (::statvfs(directory.c_str(), &system) != 0)
    deployment.writable = fail("cannot examine " + directory, errno);
  else if ((system.f_flag & ST_RDONLY) != 0)
    deployment.writable = fail("cannot write to " + directory, EROFS);
  deployment.free_bytes = uint64_t{system.f_bavail} * system.f_frsize;
  deployment.history = read_history(path);
}

}  // namespace

KeyValues key_values(const std::string& text, char separator) {
  KeyValues values;
  for (const std::string& line : split(text, '\n')) {
    const size_t at = line.find(separator);
    if (line.starts_with('#') || at == std::string::npos)
      continue;
    const std::string_view view(line);
    std::string key(trimmed(view.substr(0, at)));
    for (char& c : key)
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    values[key] = trimmed(view.substr(at + 1));
  }
  return values;
}

std::string Deployment::state_of(const std::string& key) const {
  const auto found = state.find(key);
  return found == state.end() ? "" : found->second;
}

Deployment examine_deployment(const std::string& config_file) {
  const SystemClock clock;
  Deployment deployment;
  deployment.root = ::geteuid() == 0;
  deployment.now_us = clock.wall_us();
  deployment.config_file = config_file;
  deployment.config = valid_config(config_file);
  const Config config = deployment.settings();

  deployment.audit = request_audit_status();
  deployment.rules = request_audit_rules();
  deployment.abis = exec_abis();
  if (deployment.audit && deployment.audit->pid != 0)
    if (const auto process =
            ProcessDir::open(static_cast<int32_t>(deployment.audit->pid)))
      deployment.receiver = comm_of(*process);

  const std::string plugins =
      key_values(content_of("/etc/audit/auditd.conf"), '=')["plugin_dir"];
  deployment.entry_file =
      (plugins.empty() ? "/etc/audit/plugins.d" : plugins) + "/preload.conf";
  deployment.entry = key_values(content_of(deployment.entry_file), '=');
  find_plugin(deployment);
  const std::string binary = deployment.entry["path"];
  deployment.flaw = first_flaw(
      deployment, binary.empty() ? "/usr/sbin/audisp-preload" : binary);

  if (!deployment.plugin) {
    deployment.connector = probe_connector();
    deployment.realtime = try_realtime(config.realtime_priority);
  }
  deployment.systemd = ::access("/run/systemd/system", F_OK) == 0;
  deployment.drop_in = ::access(kDropIn, F_OK) == 0;
  examine_database(deployment);
  if (config.syslog_format != SyslogFormat::kOff)
    deployment.syslog =
        SyslogSocket(config.syslog_socket, config.syslog_facility, clock)
            .send(LOG_DEBUG, "--check: is syslog reachable?",
                  SyslogWait::kBounded);
  return deployment;
}

}  // namespace preload
