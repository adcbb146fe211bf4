// SPDX-License-Identifier: Apache-2.0
// A complete, working deployment in a folder, for a test to break.
#pragma once

#include <fmt/format.h>
#include <linux/audit.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "preload/base/fd.h"
#include "preload/doctor/check.h"
#include "preload/doctor/system_probe.h"
#include "preload/store/store.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace preload {

// The ABIs of x86-64.
inline ExecAbi b64() {
  return {"b64", AUDIT_ARCH_X86_64, 59, 322};
}
inline ExecAbi b32() {
  return {"b32", AUDIT_ARCH_I386, 11, 358};
}

inline AuditRule exec_rule(const ExecAbi& abi) {
  AuditRule rule;
  rule.list = AuditRule::List::kExit;
  rule.always = true;
  rule.arch = abi.arch;
  rule.syscalls.set(abi.execve);
  rule.syscalls.set(abi.execveat);
  rule.keys = {"preload-exec"};
  return rule;
}

inline AuditRule watch_rule() {
  AuditRule rule;
  rule.list = AuditRule::List::kExit;
  rule.always = true;
  rule.syscalls.set();
  rule.path = "/etc/ld.so.preload";
  rule.permissions = AUDIT_PERM_WRITE | AUDIT_PERM_ATTR;
  rule.keys = {"preload-file"};
  return rule;
}

class FakeProbe {
 public:
  static constexpr pid_t kAuditd = 100;
  static constexpr pid_t kPlugin = 101;
  static constexpr const char* kConfig = "/etc/audit/audisp-preload.conf";
  static constexpr const char* kDatabase = "/var/lib/audisp-preload/history.db";
  static constexpr const char* kState = "/run/audisp-preload/state";

  FakeProbe() {
    probe.root = dir_.path();
    probe.root_uid = ::geteuid();
    probe.clock = &clock;
    probe.abis = {b64(), b32()};
    probe.audit_status = [this] { return Result<AuditStatus>(status); };
    probe.audit_rules = [this] {
      return Result<std::vector<AuditRule>>(rules);
    };
    probe.request_state = [this](pid_t pid) -> Status {
      if (answers)
        write_state(pid);
      return {};
    };
    probe.probe_connector = [] { return Status(); };
    probe.try_realtime = [](int) { return 0; };
    probe.space = [](const std::string&) {
      return Result<Space>(Space{uint64_t{10} << 30, true, false});
    };
    probe.answer_ms = 200;
    install();
    run_processes();
    make_database();
    listen();
  }

  // Paths are without the root.
  void write(const std::string& path, const std::string& content,
             unsigned mode = 0640) const {
    const std::filesystem::path file(probe.at(path));
    std::filesystem::create_directories(file.parent_path());
    std::filesystem::remove(file);
    std::ofstream(file) << content;
    set_mode(path, mode);
  }
  void set_mode(const std::string& path, unsigned mode) const {
    ASSERT_EQ(::chmod(probe.at(path).c_str(), mode), 0) << path;
  }
  void remove(const std::string& path) const {
    std::filesystem::remove_all(probe.at(path));
  }
  void add_process(pid_t pid, pid_t parent, const std::string& comm,
                   const std::string& executable,
                   const std::string& cmdline = "") const {
    const std::string folder = fmt::format("/proc/{}/", pid);
    write(folder + "status",
          fmt::format("Name:\t{}\nState:\tS (sleeping)\nPPid:\t{}\n", comm,
                      parent));
    write(folder + "cmdline", cmdline);
    std::filesystem::create_symlink(executable, probe.at(folder + "exe"));
  }
  void end_process(pid_t pid) const { remove(fmt::format("/proc/{}", pid)); }
  void write_state(pid_t pid) {
    const std::string text = fmt::format(
        "version: 0\npid: {}\nstarted: {}\nwritten: {}\ncapture: {}\n{}", pid,
        started, ++written, capture, more);
    write(std::string(kState) + ".new", text, 0644);
    std::filesystem::rename(probe.at(std::string(kState) + ".new"),
                            probe.at(kState));
  }

  [[nodiscard]] CheckReport check() const { return run_checks(probe, kConfig); }

  FakeClock clock;
  SystemProbe probe;
  AuditStatus status{1, kAuditd, 8192, 0};
  std::vector<AuditRule> rules{exec_rule(b64()), exec_rule(b32()),
                               watch_rule()};
  std::string capture = "realtime";
  std::string started = "2020-01-01T00:00:00.000Z";
  std::string more;  // of the state file
  bool answers = true;
  int written = 0;  // state files

 private:
  void install() {
    write(kConfig, "# defaults\n");
    write("/etc/audit/auditd.conf", "max_restarts = 7\n");
    write("/etc/audit/plugins.d/preload.conf",
          "active = yes\ndirection = out\npath = /usr/sbin/audisp-preload\n"
          "type = always\nformat = string\n");
    write("/etc/audit/plugins.d/other.conf",
          "active = yes\npath = /sbin/other\nformat = string\n");
    write("/usr/sbin/audisp-preload", "program", 0750);
    write(kDropIn, "[Service]\nRestrictRealtime=no\n", 0644);
    std::filesystem::create_directories(probe.at("/run/systemd/system"));
  }
  void run_processes() {
    add_process(kAuditd, 1, "auditd", "/usr/sbin/auditd",
                std::string("/sbin/auditd\0", 13));
    add_process(kPlugin, kAuditd, "audisp-preload", "/usr/sbin/audisp-preload");
    add_process(102, kAuditd, "other", "/sbin/other");
    write("/etc/passwd",
          fmt::format("root:x:0:0::/root:/bin/sh\naudisp-preload:x:{}:0::/:\n",
                      ::geteuid()),
          0644);
    write_state(kPlugin);
  }
  void make_database() {
    const std::string folder = "/var/lib/audisp-preload";
    std::filesystem::create_directories(probe.at(folder));
    set_mode(folder, 02750);
    struct stat status_of {};
    ASSERT_EQ(::stat(probe.at(folder).c_str(), &status_of), 0);
    write("/etc/group",
          fmt::format("root:x:0:\nadm:x:{}:\n", status_of.st_gid));
    auto store = Store::open(probe.at(kDatabase), clock);
    ASSERT_TRUE(store.has_value()) << store.error().message();
    CoverageDelta today;
    today.day = clock.wall_us() / (kDay * kMicrosPerSecond);
    today.captured_at_exec = 12345;
    ASSERT_TRUE((*store)->add_coverage(today).has_value());
  }
  void listen() {
    std::filesystem::create_directories(probe.at("/dev"));
    const std::string path = probe.at("/dev/log");
    log_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ASSERT_LT(path.size(), sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    ASSERT_EQ(::bind(log_.get(), generic, sizeof address), 0);
  }

  TempDir dir_;
  Fd log_;
};

// Lines of the report whose condition begins with `condition`; for a test
// that expects exactly one.
inline std::string line_of(const CheckReport& report,
                           const std::string& condition) {
  std::string lines;
  for (const CheckResult& result : report.results())
    if (result.condition.starts_with(condition))
      lines += (lines.empty() ? "" : "\n") + to_line(result);
  return lines;
}

inline std::string failed_lines(const CheckReport& report) {
  std::string lines;
  for (const CheckResult& result : report.results())
    if (result.status == CheckStatus::kFailed)
      lines += to_line(result) + "\n";
  return lines;
}

}  // namespace preload
