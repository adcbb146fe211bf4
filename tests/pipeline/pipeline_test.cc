// SPDX-License-Identifier: Apache-2.0
// The whole program, unprivileged: records of real children through its
// standard input, its alerts from a socket, its history from the database.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "audit/records.h"
#include "preload/base/clock.h"
#include "support/process.h"
#include "support/syslog_daemon.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

std::string binary() {
  const char* path = ::getenv("PRELOAD_BINARY");
  return path == nullptr ? "build/release/audisp-preload" : path;
}

// Collects what is sent to a syslog socket.
class Log {
 public:
  explicit Log(const std::string& path)
      : daemon_(path, SOCK_DGRAM), thread_([this] { collect(); }) {}
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log() {
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

 private:
  void collect() {
    while (true) {
      std::string message = daemon_.receive();
      if (message.empty())
        return;
      const std::lock_guard lock(mutex_);
      messages_.push_back(std::move(message));
    }
  }

  SyslogDaemon daemon_;
  std::mutex mutex_;
  std::vector<std::string> messages_;
  std::thread thread_;
};

class Pipeline : public testing::Test {
 protected:
  void SetUp() override {
    if (!installed("sqlite3"))
      GTEST_SKIP() << "the sqlite3 CLI is not installed (make deps check)";
  }
  void TearDown() override {
    if (plugin_ > 0)
      stop();
    end_children();
  }

  // The database is in place of its own, so that it survives stop().
  void start(const std::string& configuration = "") {
    std::filesystem::create_directories(dir_ / "db");
    std::ofstream(dir_ / "conf") << fmt::format(
        "database = {0}/db/history.db\nsyslog_socket = {0}/log\n"
        "state_file = {0}/state\ncapture = audit\n{1}",
        dir_.path(), configuration);
    ::chmod((dir_ / "conf").c_str(), 0640);
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    plugin_ = ::fork();
    if (plugin_ == 0) {
      ::dup2(pipe[0], 0);
      const int errors =
          ::open((dir_ / "stderr").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      ::dup2(errors, 2);
      ::execl(binary().c_str(), "audisp-preload", "--config",
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

  void feed(const std::string& text) const {
    for (std::string_view rest = text; !rest.empty();) {
      const ssize_t n = ::write(input_.get(), rest.data(), rest.size());
      ASSERT_GT(n, 0);
      rest.remove_prefix(static_cast<size_t>(n));
    }
  }

  // A child that lives until the end of the test, and its exec event.
  AuditExec child(const std::vector<std::string>& env,
                  const std::vector<std::string>& argv = {"/bin/sleep",
                                                          "600"}) {
    AuditExec exec = test::sample_exec(++serial_);
    const int64_t now_us = SystemClock().wall_us();
    exec.id.sec = now_us / kMicrosPerSecond;
    exec.id.ms = static_cast<uint32_t>(now_us / 1000 % 1000);
    exec.pid = spawn(argv, env);
    children_.push_back(exec.pid);
    const std::string link = fmt::format("/proc/{}/exe", exec.pid);
    const std::string us = std::filesystem::read_symlink("/proc/self/exe");
    eventually(10, [&] {
      std::error_code error;
      exec.exe = std::filesystem::read_symlink(link, error);
      return !error && exec.exe != us;
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

  TempDir dir_;
  Log log_{dir_ / "log"};
  pid_t plugin_ = 0;
  Fd input_;
  std::vector<pid_t> children_;
  uint64_t serial_ = 0;
  std::chrono::duration<double> end_took_{};
};

TEST_F(Pipeline, AlertsOnceForANewValueAndKeepsHistory) {
  start_and_wait();
  const AuditExec first = child({"LD_PRELOAD=/tmp/x.so", "HOME=/"});
  const AuditExec again = child({"LD_PRELOAD=/tmp/x.so"});
  const AuditExec none = child({"HOME=/"});
  const test::Style enriched{.enriched = true};
  feed(test::joined(test::event_records(first, enriched)));
  feed(test::joined(test::event_records(again, enriched)));
  feed(test::joined(test::event_records(none, enriched)));
  ASSERT_TRUE(
      eventually(10, [&] { return !log_.with("new preload term").empty(); }));
  EXPECT_EQ(stop(), 0);
  EXPECT_LT(end_took_.count(), 2);
  const auto alerts = log_.with("new preload term");
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_NE(alerts[0].find(fmt::format(
                "new preload term: LD_PRELOAD=\"/tmp/x.so\" exe=\"{}\" "
                "args=\"/bin/sleep 600\" pid={} ppid=1200 parent=\"{}\" "
                "uid=1000 user=\"bob\" auid=1000 ses=3 tty=pts0 "
                "cwd=\"/home/bob\" severity=low risk_score=21 "
                "technique=T1574.006 audit={} capture=late alert=",
                first.exe, first.pid,
                std::filesystem::read_symlink("/proc/self/exe").string(),
                to_string(first.id))),
            std::string::npos)
      << alerts[0];
  EXPECT_EQ(query("SELECT variable, value, seen_count, first_user, origin FROM "
                  "first_seen WHERE origin = 'exec'"),
            "LD_PRELOAD|/tmp/x.so|2|bob|exec");
  EXPECT_EQ(query("SELECT state, capture, pid FROM recent_alerts"),
            fmt::format("sent|late|{}", first.pid));
  EXPECT_EQ(query("SELECT execs, captured_at_exec, captured_late, missed, "
                  "unaudited FROM coverage_by_day"),
            "3|0|3|0|0");
}

TEST_F(Pipeline, AValueIsKnownAfterARestart) {
  start_and_wait();
  feed(test::joined(test::event_records(child({"LD_PRELOAD=/tmp/x.so"}))));
  EXPECT_EQ(stop(), 0);
  end_children();
  start_and_wait();
  feed(test::joined(test::event_records(child({"LD_PRELOAD=/tmp/x.so"}))));
  feed(test::joined(test::event_records(child({"LD_PRELOAD=/tmp/y.so"}))));
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(log_.with("/tmp/x.so").size(), 1U);
  EXPECT_EQ(log_.with("/tmp/y.so").size(), 1U);
  EXPECT_EQ(query("SELECT seen_count FROM first_seen WHERE origin = 'exec' "
                  "ORDER BY value"),
            "2\n1");
}

TEST_F(Pipeline, MissesAreCountedWithTheirReason) {
  start_and_wait();
  AuditExec gone = child({"LD_PRELOAD=/tmp/gone.so"}, {"/bin/true"});
  gone.exe = "/usr/bin/true";
  wait_for(children_.back());
  children_.pop_back();
  AuditExec other = child({"LD_PRELOAD=/tmp/other.so"});
  other.exe = "/usr/bin/elsewhere";
  feed(test::joined(test::event_records(gone)));
  feed(test::joined(test::event_records(other)));
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(
      query("SELECT reason, executable FROM missed_execs ORDER BY reason"),
      "exited|/usr/bin/true\nreplaced|/usr/bin/elsewhere");
  EXPECT_EQ(query("SELECT execs, missed, percent FROM coverage_by_day"),
            "2|2|0.0");
  EXPECT_TRUE(log_.with("new preload term").empty());
}

TEST_F(Pipeline, NoEnvironmentCanForgeALine) {
  start_and_wait();
  const std::string hostile =
      "/tmp/x\" exe=\"/bin/good\"\nnew preload term: LD_PRELOAD=\"/y\" \x1b[2J"
      "\xff\xc3(\\";
  AuditExec exec = child({"LD_PRELOAD=" + hostile});
  exec.argv = {"a\nb", "\"; DROP TABLE term;--"};
  exec.argc = 2;
  feed(test::joined(test::event_records(exec)));
  ASSERT_TRUE(
      eventually(10, [&] { return !log_.with("new preload term").empty(); }));
  EXPECT_EQ(stop(), 0);
  const auto alerts = log_.with("new preload term");
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0].find_first_of("\n\x1b\xff"), std::string::npos);
  EXPECT_NE(
      alerts[0].find("LD_PRELOAD=\"/tmp/x\\\" exe=\\\"/bin/good\\\"\\x0anew "
                     "preload term: LD_PRELOAD=\\\"/y\\\" "
                     "\\x1b[2J\\xff\\xc3(\\\\\" exe="),
      std::string::npos)
      << alerts[0];
  EXPECT_EQ(
      query("SELECT hex(value_bytes) FROM term WHERE value_bytes NOT NULL"),
      test::upper_hex(hostile));
}

TEST_F(Pipeline, ReloadChangesTheNamesAndABadOneChangesNothing) {
  start_and_wait();
  ASSERT_TRUE(
      eventually(10, [&] { return std::filesystem::exists(dir_ / "state"); }));
  const std::string before = content_of(dir_ / "conf");
  std::ofstream(dir_ / "conf") << before + "capture_env_vars = OTHER\n";
  ::kill(plugin_, SIGHUP);
  ASSERT_TRUE(eventually(
      10, [&] { return !log_.with("configuration reloaded").empty(); }));
  feed(test::joined(test::event_records(child({"OTHER=1", "LD_PRELOAD=/x"}))));
  ASSERT_TRUE(eventually(10, [&] { return !log_.with("OTHER=").empty(); }));
  std::ofstream(dir_ / "conf") << before + "no_such_key = 1\n";
  ::kill(plugin_, SIGHUP);
  ASSERT_TRUE(
      eventually(10, [&] { return !log_.with("reload refused").empty(); }));
  EXPECT_NE(log_.with("reload refused")[0].find("unknown key 'no_such_key'"),
            std::string::npos);
  feed(test::joined(test::event_records(child({"OTHER=2"}))));
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(query("SELECT group_concat(variable || value) FROM first_seen "
                  "WHERE origin = 'exec'"),
            "OTHER1,OTHER2");
}

TEST_F(Pipeline, StateFileOnSignalAndGoneAtTheEnd) {
  start_and_wait();
  ASSERT_TRUE(
      eventually(10, [&] { return std::filesystem::exists(dir_ / "state"); }));
  feed(test::joined(test::event_records(child({"LD_PRELOAD=/tmp/x.so"}))));
  ASSERT_TRUE(eventually(10, [&] { return !log_.with("/tmp/x.so").empty(); }));
  ::kill(plugin_, SIGUSR1);
  EXPECT_TRUE(eventually(10, [&] {
    return content_of(dir_ / "state").find("execs captured_late: 1\n") !=
           std::string::npos;
  }));
  EXPECT_NE(content_of(dir_ / "state").find(fmt::format("pid: {}\n", plugin_)),
            std::string::npos);
  EXPECT_EQ(stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "state"));
}

TEST_F(Pipeline, TermFromItsParentEndsItAndFromOthersDoesNot) {
  start_and_wait();
  ASSERT_TRUE(
      eventually(10, [&] { return std::filesystem::exists(dir_ / "state"); }));
  shell(fmt::format("kill -TERM {}", plugin_));  // the shell is not its parent
  ASSERT_TRUE(
      eventually(10, [&] { return !log_.with("ignoring SIGTERM").empty(); }));
  feed(test::joined(test::event_records(child({"LD_PRELOAD=/tmp/x.so"}))));
  ASSERT_TRUE(eventually(10, [&] { return !log_.with("/tmp/x.so").empty(); }));
  ::kill(plugin_, SIGTERM);
  EXPECT_EQ(wait_for(std::exchange(plugin_, 0)), 0);
  EXPECT_EQ(query("SELECT state FROM recent_alerts"), "sent");
}

TEST_F(Pipeline, GarbageIsCountedAndDoesNotStopIt) {
  start_and_wait();
  feed("\n\n\x01\xff garbage\ntype=SYSCALL msg=audit(x): arch=\n" +
       std::string(100'000, 'A') + "\n");
  const std::string event =
      test::joined(test::event_records(child({"LD_PRELOAD=/tmp/x.so"})));
  feed(event.substr(0, 100));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  feed(event.substr(100));
  ASSERT_TRUE(eventually(10, [&] { return !log_.with("/tmp/x.so").empty(); }));
  ::kill(plugin_, SIGUSR1);
  EXPECT_TRUE(eventually(10, [&] {
    return content_of(dir_ / "state").find("drops record_overlong: 1\n") !=
           std::string::npos;
  })) << content_of(dir_ / "state");
  EXPECT_EQ(stop(), 0);
}

TEST_F(Pipeline, BadConfigurationSaysWhereAndWhat) {
  start("max_alerts = many\n");
  const int status = wait_for(std::exchange(plugin_, 0));
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 3);
  const std::string said = content_of(dir_ / "stderr");
  EXPECT_NE(said.find(":5: max_alerts cannot be 'many'; allowed: a number "
                      "from 1"),
            std::string::npos)
      << said;
}

TEST_F(Pipeline, OptionsAndUsage) {
  EXPECT_TRUE(
      run({binary(), "--version"}).output.starts_with("audisp-preload "));
  EXPECT_TRUE(run({binary(), "--help"}).good());
  EXPECT_EQ(WEXITSTATUS(run({binary(), "--nonsense"}).status), 2);
}

}  // namespace
}  // namespace preload
