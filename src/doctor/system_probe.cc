// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/system_probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/personality.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <climits>
#include <csignal>
#include <filesystem>
#include <string_view>
#include <thread>

#include "preload/base/fd.h"
#include "preload/base/text.h"
#include "preload/base/trusted_file.h"
#include "preload/capture/proc_event.h"

namespace preload {
namespace {

constexpr size_t kFileLimit = size_t{64} << 10;
// A command that says nothing for so long is given up.
constexpr int kCommandMs = 5000;

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

Result<std::string> run(const std::vector<std::string>& argv) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return fail("cannot make a pipe", errno);
  Fd out(ends[0]);
  Fd in(ends[1]);
  std::vector<char*> pointers;
  pointers.reserve(argv.size() + 1);
  for (const std::string& argument : argv)
    pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  std::array<char*, 3> env{const_cast<char*>("PATH=/usr/sbin:/usr/bin:/sbin:"
                                             "/bin"),
                           const_cast<char*>("LC_ALL=C"), nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
                                     O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, in.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
                                     O_WRONLY, 0);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, pointers[0], &actions, nullptr,
                                   pointers.data(), env.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    return fail("cannot run " + argv[0], error);
  in.reset();
  pollfd wait{out.get(), POLLIN, 0};
  if (::poll(&wait, 1, kCommandMs) == 0)
    ::kill(pid, SIGKILL);
  auto output = read_all(out, kFileLimit, argv[0]);
  out.reset();  // one that still writes ends by SIGPIPE
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid || status != 0)
    return fail(argv[0] + " failed");
  return output;
}

Result<Space> space_of(const std::string& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0)
    return fail("cannot examine the file system of " + path, errno);
  return Space{uint64_t{status.f_bavail} * status.f_frsize,
               status.f_files == 0 || status.f_favail > 0,
               (status.f_flag & ST_RDONLY) != 0};
}

// Wall clock of the boot in microseconds; 0 = unknown.
int64_t boot_us(const SystemProbe& probe) {
  const auto text = read_file(probe, "/proc/stat");
  constexpr std::string_view kKey = "\nbtime ";
  const size_t at = text ? text->find(kKey) : std::string::npos;
  if (at == std::string::npos)
    return 0;
  const std::string_view rest =
      std::string_view(*text).substr(at + kKey.size());
  const auto seconds = parse_unsigned(rest.substr(0, rest.find('\n')));
  return static_cast<int64_t>(seconds.value_or(0)) * kMicrosPerSecond;
}

// The number after `key` and blanks in the text of /proc/PID/status.
std::optional<uint64_t> status_number(const std::string& text,
                                      std::string_view key, size_t column) {
  const size_t at = text.find(key);
  if (at == std::string::npos)
    return std::nullopt;
  std::string_view line = std::string_view(text).substr(at + key.size());
  line = trimmed(line.substr(0, line.find('\n')));
  const auto columns = split(line, '\t');
  return column < columns.size() ? parse_unsigned(columns[column])
                                 : std::nullopt;
}

// The third column of the line of `name`, as both files have it.
std::optional<uint32_t> id_of(const SystemProbe& probe, const char* file,
                              const std::string& name) {
  const auto text = read_file(probe, file);
  if (!text)
    return std::nullopt;
  for (const std::string& line : split(*text, '\n')) {
    const auto columns = split(line, ':');
    if (columns.size() >= 3 && columns[0] == name)
      if (const auto id = parse_unsigned(columns[2]))
        return static_cast<uint32_t>(*id);
  }
  return std::nullopt;
}

std::string selinux_label(const std::string& path) {
  std::array<char, 256> label{};
  const ssize_t size = ::getxattr(path.c_str(), "security.selinux",
                                  label.data(), label.size() - 1);
  return size > 0 ? label.data() : "";
}

}  // namespace

SystemProbe this_system(const Clock& clock) {
  SystemProbe probe;
  probe.uid = ::geteuid();
  probe.clock = &clock;
  probe.audit_status = request_audit_status;
  probe.audit_rules = request_audit_rules;
  probe.abis = exec_abis();
  probe.runs_32bit = kernel_runs_32bit();
  probe.run_command = run;
  probe.ask_for_state = [](pid_t pid) -> Status {
    if (::kill(pid, SIGUSR1) != 0)
      return fail(fmt::format("cannot send SIGUSR1 to pid {}", pid), errno);
    return {};
  };
  probe.probe_connector = probe_connector;
  probe.selinux_label = selinux_label;
  probe.try_realtime = try_fifo;
  probe.space = space_of;
  return probe;
}

Result<std::string> read_file(const SystemProbe& probe,
                              const std::string& path) {
  const Fd fd(::open(probe.at(path).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd)
    return fail("cannot open " + path, errno);
  return read_all(fd, kFileLimit, path);
}

std::vector<KeyValue> key_values(const std::string& text) {
  std::vector<KeyValue> pairs;
  for (const std::string& line : split(text, '\n')) {
    const size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string::npos)
      continue;
    std::string key(trimmed(std::string_view(line).substr(0, equals)));
    for (char& c : key)
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    pairs.push_back(
        {std::move(key),
         std::string(trimmed(std::string_view(line).substr(equals + 1)))});
  }
  return pairs;
}

std::optional<Flaw> find_flaw(const SystemProbe& probe, const std::string& path,
                              const struct stat& status,
                              std::optional<uint32_t> other_owner) {
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
  const auto stat = read_file(probe, folder + "stat");
  // comm may hold blanks and parentheses; the last one ends it.
  const size_t open = stat ? stat->find('(') : std::string::npos;
  const size_t close = stat ? stat->rfind(')') : std::string::npos;
  if (open == std::string::npos || close == std::string::npos)
    return std::nullopt;
  constexpr size_t kState = 0, kParent = 1, kStart = 19;
  const auto fields =
      split(trimmed(std::string_view(*stat).substr(close + 1)), ' ');
  if (fields.size() <= kStart || fields[kState] == "Z" || fields[kState] == "X")
    return std::nullopt;
  Process process;
  process.pid = pid;
  process.parent =
      static_cast<pid_t>(parse_unsigned(fields[kParent]).value_or(0));
  process.comm = stat->substr(open + 1, close - open - 1);
  if (const int64_t boot = boot_us(probe); boot != 0) {
    const auto ticks =
        static_cast<int64_t>(parse_unsigned(fields[kStart]).value_or(0));
    process.started_us =
        boot + ticks * kMicrosPerSecond / ::sysconf(_SC_CLK_TCK);
  }
  if (const auto status = read_file(probe, folder + "status"))
    process.uid =
        static_cast<uint32_t>(status_number(*status, "\nUid:", 1).value_or(0));
  if (const auto cmdline = read_file(probe, folder + "cmdline"))
    process.argv = split(*cmdline, '\0');
  std::array<char, PATH_MAX> link{};
  const ssize_t length =
      ::readlink(probe.at(folder + "exe").c_str(), link.data(), link.size());
  std::string_view target(link.data(),
                          static_cast<size_t>(std::max<ssize_t>(length, 0)));
  constexpr std::string_view kDeleted = " (deleted)";
  process.deleted = target.ends_with(kDeleted);
  if (process.deleted)
    target.remove_suffix(kDeleted.size());
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
