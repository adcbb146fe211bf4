// SPDX-License-Identifier: Apache-2.0
#include "support/private_auditd.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string_view>

#include "support/process.h"
#include "support/test_program.h"

namespace preload {
namespace {

constexpr const char* kAuditdConf = R"(local_events = yes
write_logs = yes
log_file = {0}/trail/audit.log
log_group = root
log_format = {1}
flush = NONE
num_logs = 0
max_log_file = 1000
max_log_file_action = IGNORE
space_left = 2
space_left_action = IGNORE
admin_space_left = 1
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
priority_boost = 4
name_format = NONE
distribute_network = no
q_depth = 2000
overflow_action = IGNORE
max_restarts = 1000
plugin_dir = {0}/plugins.d
)";

constexpr const char* kRsyslogConf =
    R"(module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{0}/log" RateLimit.Interval="0")
template(name="raw" type="string" string="%msg:2:$%\n")
action(type="omfile" file="{0}/messages" template="raw")
{1}
)";

void write_file(const std::string& path, const std::string& text, mode_t mode) {
  std::ofstream(path) << text;
  ::chmod(path.c_str(), mode);
}

// For an undo log: ends the daemons that were started with files of the folder,
// whether or not the test has lived to see their pids.
std::string ending_daemons_of(const std::string& dir) {
  return fmt::format(
      "for pid in $(pidof auditd rsyslogd); do grep -q {} /proc/$pid/cmdline "
      "&& kill $pid && while kill -0 $pid; do sleep 0.1; done; done",
      dir);
}

constexpr std::string_view kKeyPrefix = "preload-test-";

// The test run that has added the rule, when it has gone; 0: it is another's.
// (A run that was killed together with its undo log has left its rules.)
pid_t dead_owner_of(const std::string& rule) {
  const size_t at = rule.find(kKeyPrefix);
  if (at == std::string::npos)
    return 0;
  const auto pid =
      static_cast<pid_t>(std::atol(rule.c_str() + at + kKeyPrefix.size()));
  return pid > 0 && has_ended(pid) ? pid : 0;
}

void end_process(pid_t& pid) {
  if (pid == 0)
    return;
  ::kill(pid, SIGTERM);
  eventually(10, [&] { return has_ended(pid); });
  ::waitpid(pid, nullptr, WNOHANG);  // if it is our child
  pid = 0;
}

}  // namespace

std::string PrivateAuditd::obstacle() {
  if (::geteuid() != 0)
    return "not root";
  for (const char* program : {"auditd", "auditctl", "rsyslogd", "sqlite3"})
    if (!installed(program))
      return fmt::format("{} is not installed (make deps check)", program);
  if (kernel_status("pid") < 0)
    return "the kernel gives no audit status here";
  if (kernel_status("pid") != 0)
    return "an auditd is running, which a test must not disturb";
  if (kernel_status("enabled") == 2)
    return "the audit configuration is locked (-e 2)";
  for (const std::string& rule : lines_of(shell("auditctl -l"))) {
    if (const pid_t run = dead_owner_of(rule); run != 0)
      shell(fmt::format("auditctl -D -k {}{}", kKeyPrefix, run));
    else if (rule.find("execve") != std::string::npos)
      return "the machine has an exec rule, whose events would be counted: " +
             rule;
  }
  return {};
}

long PrivateAuditd::kernel_status(const std::string& field) {
  for (const std::string& line : lines_of(shell("auditctl -s")))
    if (line.starts_with(field + " "))
      return std::stol(line.substr(field.size() + 1));
  return -1;
}

PrivateAuditd::PrivateAuditd(const Setup& setup)
    : user_(setup.user), key_(fmt::format("{}{}", kKeyPrefix, ::getpid())) {
  if (const std::string why = obstacle(); !why.empty())
    throw std::runtime_error("no live test here: " + why);
  undo_.add("rm -rf " + dir_.path());
  undo_.add(fmt::format("auditctl -e {}", kernel_status("enabled")));
  undo_.add(fmt::format("auditctl -b {}", kernel_status("backlog_limit")));
  undo_.add(ending_daemons_of(dir_.path()));
  undo_.add("auditctl -D -k " + key_);
  shell("auditctl -b 8192");
  write_files(setup);
  if (setup.prepare)
    setup.prepare(dir_.path());
  give_folders();
  if (setup.syslog)
    start_syslog();
  start();
  if (setup.rules)
    for (const char* arch : {"b64", "b32"})
      add_rule(
          fmt::format("-a always,exit -F arch={} -S execve,execveat", arch));
}

void PrivateAuditd::add_rule(const std::string& rule) const {
  const Ran ran = run({"/bin/sh", "-c", "auditctl " + rule + " -k " + key_});
  if (!ran.good())
    throw std::runtime_error("cannot add audit rule " + rule);
}

void PrivateAuditd::watch_preload_file(const std::string& file) const {
  const std::string rule = file + " -p wa -k preload-file";
  undo_.add("auditctl -W " + rule);
  if (!run({"/bin/sh", "-c", "auditctl -w " + rule}).good())
    throw std::runtime_error("cannot watch " + file);
}

PrivateAuditd::~PrivateAuditd() {
  // First, or the kernel would print to its own log what nobody reads.
  shell("auditctl -D -k " + key_);
  stop();
  stop_syslog();
}

std::string PrivateAuditd::with_dir(std::string text) const {
  constexpr std::string_view kDir = "@DIR@";
  for (size_t at = 0; (at = text.find(kDir, at)) != std::string::npos;)
    text.replace(at, kDir.size(), dir_.path());
  return text;
}

void PrivateAuditd::configure(const std::string& configuration) const {
  write_file(path("preload.conf"),
             fmt::format("database = {0}/db/history.db\n"
                         "syslog_socket = {0}/log\n"
                         "state_file = {0}/state\nuser = {1}\n{2}",
                         dir_.path(), user_, with_dir(configuration)),
             0640);
}

void PrivateAuditd::give_folders() const {
  shell(fmt::format("chown {} {}", user_, dir_.path()));
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
    const std::string name = entry.path().filename();
    if (entry.is_directory() && name != "plugins.d" && name != "trail" &&
        name != "db")
      shell(fmt::format("chown {} {}", user_, entry.path().string()));
  }
}

std::string PrivateAuditd::check() const {
  return shell(
      fmt::format("{0}/audisp-preload --config {0}/preload.conf "
                  "--check",
                  dir_.path()));
}

void PrivateAuditd::write_files(const Setup& setup) const {
  const std::string& dir = dir_.path();
  std::filesystem::create_directory(path("plugins.d"));
  // auditd sets the mode of its log's folder, which is not that of the others.
  std::filesystem::create_directory(path("trail"));
  std::filesystem::create_directory(path("db"));
  shell("chgrp adm " + path("db"));
  ::chmod(path("db").c_str(), 02750);
  write_file(path("auditd.conf"),
             fmt::format(fmt::runtime(kAuditdConf), dir, setup.log_format),
             0640);
  write_file(path("rsyslog.conf"),
             fmt::format(fmt::runtime(kRsyslogConf), dir,
                         with_dir(setup.syslog_configuration)),
             0640);
  configure(setup.configuration);
  std::filesystem::copy_file(
      setup.as_shipped ? plugin_binary() : fast_plugin_binary(),
      path("audisp-preload"));
  ::chmod(path("audisp-preload").c_str(), 0750);
  std::string script = "#!/bin/sh\nexec";
  for (const std::string& word : setup.wrapper)
    script += " " + with_dir(word);
  script += fmt::format(" {0}/audisp-preload --config {0}/preload.conf\n", dir);
  write_file(path("plugin"), script, 0750);
  const bool direct = setup.wrapper.empty();
  write_file(
      path("plugins.d/preload.conf"),
      fmt::format(
          "active = yes\ndirection = out\npath = {0}/{1}\n"
          "type = always\n{2}format = string\n",
          dir, direct ? "audisp-preload" : "plugin",
          direct ? fmt::format("args = --config {}/preload.conf\n", dir) : ""),
      0640);
}

void PrivateAuditd::start() {
  run({"auditd", "-c", dir_.path(), "-s", "enable"});
  eventually(10, [&] { return kernel_status("pid") > 0; });
  auditd_ = static_cast<pid_t>(kernel_status("pid"));
  // The plugin is ready when it has written its state.
  if (!eventually(10, [&] { return std::filesystem::exists(path("state")); }))
    throw std::runtime_error("the plugin did not start; its log: " +
                             content_of(path("messages")));
}

void PrivateAuditd::stop() {
  const pid_t plugin = auditd_ == 0 ? 0 : plugin_pid();
  end_process(auditd_);
  if (plugin != 0)
    eventually(10, [&] { return has_ended(plugin); });
}

void PrivateAuditd::start_syslog() {
  std::filesystem::remove(path("log"));
  syslogd_ = spawn({"rsyslogd", "-n", "-f", path("rsyslog.conf"), "-i",
                    path("rsyslog.pid")});
  eventually(10, [&] { return std::filesystem::exists(path("log")); });
}

void PrivateAuditd::stop_syslog() {
  end_process(syslogd_);
}

pid_t PrivateAuditd::plugin_pid() const {
  // A plugin that was restarted is the child of another thread than the first.
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator(
           fmt::format("/proc/{}/task", auditd_), gone)) {
    const std::string children = content_of(thread.path() / "children");
    if (const long pid = std::atol(children.c_str()); pid != 0)
      return static_cast<pid_t>(pid);
  }
  return 0;
}

std::vector<std::string> PrivateAuditd::messages() const {
  return lines_of(content_of(path("messages")));
}

std::vector<std::string> PrivateAuditd::messages_with(
    const std::vector<std::string>& parts) const {
  std::vector<std::string> found = messages();
  std::erase_if(found, [&](const std::string& line) {
    return !std::all_of(parts.begin(), parts.end(), [&](const auto& part) {
      return line.find(part) != std::string::npos;
    });
  });
  return found;
}

std::string PrivateAuditd::query(const std::string& sql) const {
  std::string output =
      run({"sqlite3", "-readonly", "-batch", database(), sql}).output;
  if (output.ends_with('\n'))
    output.pop_back();
  return output;
}

std::string PrivateAuditd::query_until(const std::string& sql,
                                       const std::string& expected) const {
  std::string answer;
  eventually(10, [&] {
    answer = query(sql);
    return answer == expected;
  });
  return answer;
}

}  // namespace preload
