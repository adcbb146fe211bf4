// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/system_probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <climits>
#include <csignal>
#include <filesystem>
#include <thread>

#include "preload/base/fd.h"
#include "preload/base/text.h"
#include "preload/base/trusted_file.h"
#include "preload/capture/proc_event.h"

namespace preload {
namespace {

constexpr size_t kFileLimit = size_t{64} << 10;

// Whether the kernel was built to run, and this CPU runs, 32-bit programs.
bool kernel_runs_32bit() {
  utsname name{};
  if (::uname(&name) != 0)
    return true;
  const std::string_view machine(name.machine);
  if (machine == "x86_64")
    return ::access("/proc/sys/abi/vsyscall32", F_OK) == 0;
  if (machine != "aarch64")
    return true;
  // arm64 refuses this personality when no CPU has the 32-bit mode.
  const int before = ::personality(0xffffffffUL);
  if (before < 0 || ::personality(PER_LINUX32) < 0)
    return false;
  ::personality(static_cast<unsigned long>(before));
  return true;
}

int try_fifo(int priority) {
  int error = 0;
  std::thread([&] {
    sched_param parameter{};
    parameter.sched_priority = priority;
    error = ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &parameter);
  }).join();
  return error;
}

Result<Space> space_of(const std::string& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0)
    return fail("cannot examine the file system of " + path, errno);
  return Space{uint64_t{status.f_bavail} * status.f_frsize,
               status.f_files == 0 || status.f_favail > 0,
               (status.f_flag & ST_RDONLY) != 0};
}

// The third column of the line of `name`, as both files have it.
std::optional<uint32_t> id_of(const SystemProbe& probe, const char* file,
                              const std::string& name) {
  const auto text = read_file(probe, file);
  for (const std::string& line : split(text.value_or(""), '\n')) {
    const auto columns = split(line, ':');
    if (columns.size() >= 3 && columns[0] == name)
      if (const auto id = parse_unsigned(columns[2]))
        return static_cast<uint32_t>(*id);
  }
  return std::nullopt;
}

}  // namespace

SystemProbe this_system(const Clock& clock) {
  SystemProbe probe;
  probe.uid = ::geteuid();
  probe.clock = &clock;
  probe.audit_status = request_audit_status;
  probe.audit_rules = request_audit_rules;
  probe.abis = exec_abis();
  if (probe.abis.size() > 1 && !kernel_runs_32bit())
    probe.abis.pop_back();
  probe.request_state = [](pid_t pid) -> Status {
    if (::kill(pid, SIGUSR1) != 0)
      return fail(fmt::format("cannot send SIGUSR1 to pid {}", pid), errno);
    return {};
  };
  probe.probe_connector = probe_connector;
  probe.try_realtime = try_fifo;
  probe.space = space_of;
  return probe;
}

bool exists(const SystemProbe& probe, const std::string& path) {
  return ::access(probe.at(path).c_str(), F_OK) == 0;
}

Result<std::string> read_file(const SystemProbe& probe,
                              const std::string& path) {
  const Fd fd(::open(probe.at(path).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd)
    return fail("cannot open " + path, errno);
  return read_all(fd, kFileLimit, path);
}

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

std::string value_of(const KeyValues& values, const std::string& key,
                     std::string_view otherwise) {
  const auto found = values.find(key);
  return found == values.end() ? std::string(otherwise) : found->second;
}

std::optional<Flaw> find_flaw(const SystemProbe& probe, const std::string& path,
                              const struct stat& status,
                              std::optional<uint32_t> other_owner,
                              mode_t type) {
  if ((status.st_mode & S_IFMT) != type) {
    const char* name = type == S_IFDIR ? "directory" : "regular file";
    return Flaw{fmt::format("{} is not a {}", path, name),
                fmt::format("move it away and put a {} in its place", name)};
  }
  const std::array<uid_t, 2> owners{probe.root_uid,
                                    other_owner.value_or(probe.root_uid)};
  return find_flaw(path, status, owners);
}

std::optional<uint32_t> uid_of(const SystemProbe& probe,
                               const std::string& name) {
  return id_of(probe, "/etc/passwd", name);
}

std::optional<uint32_t> gid_of(const SystemProbe& probe,
                               const std::string& name) {
  return id_of(probe, "/etc/group", name);
}

std::optional<Process> find_process(const SystemProbe& probe, pid_t pid) {
  const std::string folder = fmt::format("/proc/{}/", pid);
  const auto text = read_file(probe, folder + "status");
  if (!text)
    return std::nullopt;
  KeyValues status = key_values(*text, ':');
  const std::string& state = status["state"];
  if (state.starts_with('Z') || state.starts_with('X'))
    return std::nullopt;
  Process process;
  process.pid = pid;
  process.parent =
      static_cast<pid_t>(parse_unsigned(status["ppid"]).value_or(0));
  process.comm = status["name"];
  if (const auto cmdline = read_file(probe, folder + "cmdline"))
    process.argv = split(*cmdline, '\0');
  std::error_code error;
  std::string target =
      std::filesystem::read_symlink(probe.at(folder + "exe"), error).string();
  constexpr std::string_view kDeleted = " (deleted)";
  process.deleted = target.ends_with(kDeleted);
  if (process.deleted)
    target.resize(target.size() - kDeleted.size());
  process.executable = target;
  return process;
}

std::vector<Process> children_of(const SystemProbe& probe, pid_t parent) {
  std::vector<Process> children;
  std::error_code error;
  std::filesystem::directory_iterator entry(probe.at("/proc"), error);
  for (; entry != std::filesystem::directory_iterator();
       entry.increment(error)) {
    const auto pid = parse_unsigned(entry->path().filename().string());
    if (!pid || *pid > INT_MAX)
      continue;
    auto process = find_process(probe, static_cast<pid_t>(*pid));
    if (process && process->parent == parent)
      children.push_back(std::move(*process));
  }
  return children;
}

}  // namespace preload
