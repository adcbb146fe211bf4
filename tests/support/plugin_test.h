// SPDX-License-Identifier: Apache-2.0
// The whole program with the test in auditd's place: records of real children
// through its standard input, its alerts from a socket, its history from the
// database. Needs no privileges.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "audit/records.h"
#include "preload/base/clock.h"
#include "preload/base/fd.h"
#include "support/process.h"
#include "support/syslog_daemon.h"
#include "support/temp_dir.h"
#include "support/test_program.h"

namespace preload {

// Collects what is sent to a syslog socket.
class Log {
 public:
  explicit Log(const std::string& path)
      : daemon_(path, SOCK_DGRAM), thread_([this] { collect(); }) {}
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log() {
    go_on();
    daemon_.shut_down();
    thread_.join();
  }
  std::vector<std::string> with(const std::string& part) {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> found;
    for (const std::string& message : messages_)
      if (message.find(part) != std::string::npos)
        found.push_back(message);
    return found;
  }
  // Reads no more after the next message, until go_on().
  void hold() { held_ = true; }
  void go_on() {
    held_ = false;
    held_.notify_all();
  }

 private:
  void collect() {
    while (true) {
      held_.wait(true);
      std::string message = daemon_.receive();
      if (message.empty())
        return;
      const std::lock_guard lock(mutex_);
      messages_.push_back(std::move(message));
    }
  }

  std::atomic<bool> held_{false};
  SyslogDaemon daemon_;
  std::mutex mutex_;
  std::vector<std::string> messages_;
  std::thread thread_;
};

class PluginTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!installed("sqlite3"))
      GTEST_SKIP() << "the sqlite3 CLI is not installed (make deps check)";
    ::signal(SIGPIPE, SIG_IGN);  // a plugin that has ended fails the write
  }
  void TearDown() override {
    if (plugin_ > 0)
      stop();
    end_children();
  }

  // The database is in place of its own, so that it survives stop().
  void start(const std::string& configuration = "") {
    std::filesystem::create_directories(dir_ / "db");
    std::string own;
    if (!own_variable_.empty())
      own = fmt::format("capture_env_vars = {}\n", own_variable_);
    std::ofstream(dir_ / "conf")
        << own
        << fmt::format(
               "database = {0}/db/history.db\nsyslog_socket = {0}/log\n"
               "state_file = {0}/state\nuser = root\n{1}",
               dir_.path(),
               configuration.find("capture = ") == std::string::npos
                   ? "capture = audit\n" + configuration
                   : configuration);
    ::chmod((dir_ / "conf").c_str(), 0640);
    std::filesystem::remove(dir_ / "state");  // of one that was killed
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    plugin_ = ::fork();
    if (plugin_ == 0) {
      ::dup2(pipe[0], 0);
      const int errors =
          ::open((dir_ / "stderr").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      ::dup2(errors, 2);
      ::execl(binary_.c_str(), "audisp-preload", "--config",
              (dir_ / "conf").c_str(), nullptr);
      ::_exit(127);
    }
    ::close(pipe[0]);
    input_ = Fd(pipe[1]);
  }

  // Ready: programs that are started from now on are not in its inventory.
  void start_and_wait(const std::string& configuration = "") {
    start(configuration);
    ASSERT_TRUE(eventually(10, [&] {
      return std::filesystem::exists(dir_ / "state");
    })) << content_of(dir_ / "stderr");
  }

  void end_children() {
    for (const pid_t child : children_) {
      ::kill(child, SIGKILL);
      wait_for(child);
    }
    children_.clear();
  }

  // End of file; gives the exit status and how long the end took.
  int stop() {
    input_.reset();
    const auto begin = std::chrono::steady_clock::now();
    const int status = wait_for(std::exchange(plugin_, 0));
    end_took_ = std::chrono::steady_clock::now() - begin;
    return status;
  }

  // Waits for an end that comes by itself.
  int end() {
    const int status = wait_for(std::exchange(plugin_, 0));
    input_.reset();
    return status;
  }

  // The plugin's thread of that name; 0: none.
  [[nodiscard]] pid_t thread(const std::string& name) const {
    for (const auto& task : std::filesystem::directory_iterator(
             fmt::format("/proc/{}/task", plugin_)))
      if (content_of(task.path() / "comm") == name + "\n")
        return std::stoi(task.path().filename());
    return 0;
  }

  // A counter as the state file names it, at this moment; -1: none.
  [[nodiscard]] long counter(const std::string& name) const {
    std::filesystem::remove(dir_ / "state");
    ::kill(plugin_, SIGUSR1);
    long value = -1;
    eventually(10, [&] { return std::filesystem::exists(dir_ / "state"); });
    for (const std::string& line : lines_of(content_of(dir_ / "state")))
      if (line.starts_with(name + ": "))
        value = std::stol(line.substr(name.size() + 2));
    return value;
  }

  // For the message of a failure: what it said and counted.
  [[nodiscard]] std::string account() const {
    static_cast<void>(counter(""));
    return content_of(dir_ / "stderr") + content_of(dir_ / "state");
  }

  void feed(const std::string& text) const {
    for (std::string_view rest = text; !rest.empty();) {
      const ssize_t n = ::write(input_.get(), rest.data(), rest.size());
      ASSERT_GT(n, 0) << account();
      rest.remove_prefix(static_cast<size_t>(n));
    }
  }

  // A child that lives until the end of the test, and its exec event.
  AuditExec child(const std::vector<std::string>& env,
                  const std::vector<std::string>& argv = {"/bin/sleep",
                                                          "600"}) {
    AuditExec exec = test::sample_exec(++serial_);
    exec.pid = spawn(argv, env);
    children_.push_back(exec.pid);
    // Like audit's: after the fork, which may take a while.
    const int64_t now_us = SystemClock().wall_us();
    exec.id.sec = now_us / kMicrosPerSecond;
    exec.id.ms = static_cast<uint32_t>(now_us / 1000 % 1000);
    const std::string link = fmt::format("/proc/{}/exe", exec.pid);
    const std::string us = std::filesystem::read_symlink("/proc/self/exe");
    eventually(10, [&] {
      std::error_code error;
      exec.exe = std::filesystem::read_symlink(link, error);
      // The environment is in place a moment after the program; audit's record
      // comes when the exec is done. A program that has ended has none.
      return has_ended(exec.pid) ||
             (!error && exec.exe != us &&
              (env.empty() ||
               !content_of(fmt::format("/proc/{}/environ", exec.pid)).empty()));
    });
    exec.argv = argv;
    exec.argc = argv.size();
    exec.uid_name = exec.auid_name = "bob";
    return exec;
  }

  // Of origin 'exec' are the test's own values; the inventory adds those of
  // whatever runs on the machine.
  [[nodiscard]] std::string query(const std::string& sql) const {
    std::string output =
        run({"sqlite3", "-readonly", "-batch", dir_ / "db/history.db", sql})
            .output;
    if (output.ends_with('\n'))
      output.pop_back();
    return output;
  }

  // NAME=value of the variable that this process's plugins watch alone, so that
  // other programs on the machine do not come into it.
  [[nodiscard]] std::string own(const std::string& value) const {
    return own_variable_ + "=" + value;
  }
  void watch_own_variable() {
    own_variable_ = fmt::format("PRELOAD_TEST_{}", ::getpid());
  }

  std::string binary_ = plugin_binary();
  std::string own_variable_;
  TempDir dir_;
  Log log_{dir_ / "log"};
  pid_t plugin_ = 0;
  Fd input_;
  std::vector<pid_t> children_;
  uint64_t serial_ = 0;
  std::chrono::duration<double> end_took_{};
};

}  // namespace preload
