// SPDX-License-Identifier: Apache-2.0
// A stage of the plugin that hangs or runs out of memory ends the process with
// a message: auditd starts it again.
#include <sys/resource.h>
#include <sys/syscall.h>

#include <chrono>
#include <map>
#include <optional>
#include <thread>

#include "preload/base/sanitizer.h"
#include "support/plugin_test.h"
#include "support/stopped_thread.h"

namespace preload {
namespace {

constexpr int kStuck = 6;  // EXIT STATUS in the manual
constexpr int kFailed = 5;

// The least bound of the watchdog in programs/fast_plugin.cc, and a time that
// exceeds it by a beat each second.
constexpr const char* kWatchdog = "watchdog = 2s\n";
constexpr auto kOverBound = std::chrono::milliseconds(3500);

constexpr const char* kNeedsRoot =
    "needs root, to stop a thread of a process that is not dumpable";

class OwnDeath : public PluginTest {
 protected:
  OwnDeath() {
    binary_ = fast_plugin_binary();
    watch_own_variable();
  }

  // In syslog and on standard error.
  void expect_logged(const std::string& words) {
    EXPECT_TRUE(eventually(5, [&] { return !log_.with(words).empty(); }))
        << words;
    EXPECT_NE(content_of(dir_ / "stderr").find(words), std::string::npos)
        << content_of(dir_ / "stderr");
  }

  // Stops the thread (and the `second` of the same stage), and expects that the
  // plugin ends.
  void expect_end_when_stopped(const std::string& thread_name,
                               const std::string& stage,
                               const std::string& second = "") {
    const pid_t id = thread_name.empty() ? plugin_ : thread(thread_name);
    ASSERT_NE(id, 0) << thread_name;
    std::optional<StoppedThread> other;
    const pid_t other_id = second.empty() ? 0 : thread(second);
    if (other_id != 0)
      other.emplace(other_id);
    StoppedThread stopped(id);
    ASSERT_TRUE(stopped.good());
    if (other_id != 0)
      other->wait_for_end(0);
    const int status = stopped.wait_for_end(std::exchange(plugin_, 0));
    ASSERT_TRUE(WIFEXITED(status)) << status;
    EXPECT_EQ(WEXITSTATUS(status), kStuck);
    expect_logged("stage " + stage + " has made no progress for ");
  }

  // A new value is alerted.
  void expect_alert(const std::string& value) {
    feed(test::joined(test::event_records(child({own(value)}))));
    EXPECT_TRUE(eventually(10, [&] { return !log_.with(value).empty(); }));
  }
};

TEST_F(OwnDeath, AStuckStoreIsNamedAndTheNextStartGoesOn) {
  if (::geteuid() != 0)
    GTEST_SKIP() << kNeedsRoot;
  start_and_wait(kWatchdog);
  expect_alert("/before");
  expect_end_when_stopped("store", "store");
  start_and_wait(kWatchdog);
  expect_alert("/after");
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(query("SELECT group_concat(value) FROM first_seen WHERE value "
                  "IN ('/before', '/after')"),
            "/before,/after");
}

TEST_F(OwnDeath, AStuckInputIsNamed) {
  if (::geteuid() != 0)
    GTEST_SKIP() << kNeedsRoot;
  start_and_wait(kWatchdog);
  expect_end_when_stopped("", "input");
}

TEST_F(OwnDeath, AStuckRelayIsReportedAndNotFatalAtTheBound) {
  if (::geteuid() != 0)
    GTEST_SKIP() << kNeedsRoot;
  start_and_wait(kWatchdog);
  {
    const StoppedThread stopped(thread("relay"));
    ASSERT_TRUE(stopped.good());
    feed(test::joined(test::event_records(child({own("/waits")}))));
    EXPECT_TRUE(eventually(15, [&] {
      return !log_.with("stage relay has made no progress for ").empty();
    }));
    EXPECT_EQ(query("SELECT state FROM recent_alerts"), "pending");
    EXPECT_GE(counter("stage_silence_seconds"), 2);
  }
  EXPECT_TRUE(eventually(10, [&] { return !log_.with("/waits").empty(); }));
  EXPECT_EQ(stop(), 0);
}

TEST_F(OwnDeath, AStuckListenerIsNamedWhileExecsWait) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "needs root, for the process connector";
  start_and_wait(std::string(kWatchdog) + "capture = auto\n");
  std::map<std::string, std::string> stages;
  for (int cpu = 0; cpu < 1024; ++cpu)
    if (thread(fmt::format("exec/{}", cpu)) != 0) {
      stages[fmt::format("exec/{}", cpu)] =
          fmt::format("listener of CPU {}", cpu);
      break;
    }
  if (stages.empty())
    GTEST_SKIP() << "no process connector here";
  std::atomic<bool> done{false};
  // Execs on every CPU.
  std::thread execs([&] {
    while (!done)
      run({"/bin/sh", "-c", "for i in 1 2 3 4; do /bin/true & done; wait"});
  });
  const auto& [first, stage] = *stages.begin();
  {
    const StoppedThread one(thread(first));
    ASSERT_TRUE(one.good());
    std::this_thread::sleep_for(kOverBound);
    EXPECT_TRUE(log_.with("has made no progress").empty());
    expect_alert("/beside");
  }
  expect_end_when_stopped(first, stage, first + "+");
  done = true;
  execs.join();
}

TEST_F(OwnDeath, AStoppedProcessIsNotStuck) {
  start_and_wait(kWatchdog);
  ::kill(plugin_, SIGSTOP);
  std::this_thread::sleep_for(kOverBound);
  ::kill(plugin_, SIGCONT);
  expect_alert("/continued");
  EXPECT_EQ(stop(), 0);
}

TEST_F(OwnDeath, WithoutMemoryItEndsAndLosesNothingThatWasStored) {
  if (kSanitizer)
    GTEST_SKIP() << "the sanitizer's own memory has no such limit";
  start_and_wait();
  expect_alert("/stored");
  // What it has is all that it gets: any large allocation fails. (RLIMIT_AS
  // would leave the address space that malloc has reserved.)
  rlimit limit{};
  ASSERT_EQ(::prlimit(plugin_, RLIMIT_DATA, nullptr, &limit), 0);
  limit.rlim_cur = 1 << 20;
  ASSERT_EQ(::prlimit(plugin_, RLIMIT_DATA, &limit, nullptr), 0);
  ::signal(SIGPIPE, SIG_IGN);
  const pid_t plugin = std::exchange(plugin_, 0);
  bool ended = false;
  std::vector<std::string> large;
  for (char c = 'a'; c < 'm'; ++c)
    large.push_back(own(std::string(120'000, c)));
  for (int i = 0; i < 50 && !ended; ++i) {
    const std::string text = test::joined(test::event_records(child(large)));
    ended = ::write(input_.get(), text.data(), text.size()) < 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  end_children();
  input_.reset();  // or it would wait for more
  const int status = wait_for(plugin);
  EXPECT_TRUE(ended);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), kFailed);
  expect_logged("thread failed: std::bad_alloc");
  start_and_wait();
  expect_alert("/again");
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(query("SELECT state FROM recent_alerts WHERE value = '/stored'"),
            "sent");
  EXPECT_EQ(query("PRAGMA integrity_check"), "ok");
}

}  // namespace
}  // namespace preload
