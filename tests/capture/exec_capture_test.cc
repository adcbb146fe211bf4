// SPDX-License-Identifier: Apache-2.0
// Listeners on the real kernel; without CAP_NET_ADMIN only the ladder's lowest
// rung can be had, and the rest is skipped.
#include "preload/capture/exec_capture.h"

#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/c_strings.h"
#include "support/process.h"

namespace preload {
namespace {

int32_t run(const char* program, const std::string& variable) {
  std::vector<char> name(program, program + strlen(program) + 1);
  std::string env = variable;
  char* argv[] = {name.data(), nullptr};
  char* envp[] = {env.data(), nullptr};
  pid_t pid = -1;
  EXPECT_EQ(::posix_spawn(&pid, program, nullptr, nullptr, argv, envp), 0);
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return pid;
}

class ExecCaptureTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::vector<std::string> names{"PRELOAD_TEST"};
    auto opened = ExecCapture::open(CaptureChoice::kAuto, metrics_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    capture_ = std::move(*opened);
    const Status started = capture_->start(20, names);
    ASSERT_TRUE(started.has_value()) << started.error().message();
    const Status released = capture_->release();
    ASSERT_TRUE(released.has_value()) << released.error().message();
    if (capture_->mode() == CaptureMode::kAudit)
      GTEST_SKIP() << "no process connector: " << capture_->reason();
  }

  // The newest notice of each pid, with those of before.
  void drain(std::map<pid_t, ExecNotice>& notices) {
    std::vector<ExecNotice> drained;
    capture_->drain(drained);
    for (ExecNotice& notice : drained)
      notices[notice.pid] = std::move(notice);
  }
  ExecNotice notice_of(int32_t pid) {
    std::map<pid_t, ExecNotice> notices;
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      drain(notices);
      if (notices.contains(pid))
        return std::move(notices[pid]);
      ::usleep(1000);
    }
    ADD_FAILURE() << "no notice for pid " << pid;
    return {};
  }

  Metrics metrics_;
  std::unique_ptr<ExecCapture> capture_;
};

TEST_F(ExecCaptureTest, TellsWatchedFromUnwatched) {
  const ExecNotice watched =
      notice_of(run("/bin/true", "PRELOAD_TEST=value 1"));
  ASSERT_EQ(watched.kind, SnapshotKind::kWatched);
  ASSERT_TRUE(watched.snapshot);
  EXPECT_EQ(watched.snapshot->env,
            (std::vector<EnvVar>{{"PRELOAD_TEST", "value 1"}}));
  EXPECT_EQ(watched.snapshot->argv, (std::vector<std::string>{"/bin/true"}));
  EXPECT_TRUE(watched.snapshot->executable.ends_with("/bin/true"));
  EXPECT_EQ(watched.snapshot->ppid, ::getpid());
  EXPECT_EQ(watched.snapshot->uid, ::getuid());
  EXPECT_EQ(watched.snapshot->secure, false);
  EXPECT_EQ(watched.snapshot->no_interpreter, false);
  EXPECT_EQ(notice_of(run("/bin/true", "OTHER=1")).kind,
            SnapshotKind::kNothing);
}

TEST_F(ExecCaptureTest, WakesItsOwnerForAWatchedExecOnly) {
  std::map<pid_t, ExecNotice> notices;
  while (!capture_->arm())
    drain(notices);
  pollfd wake{capture_->wake_fd(), POLLIN, 0};
  run("/bin/true", "PRELOAD_TEST=1");
  ASSERT_EQ(::poll(&wake, 1, 10'000), 1);
  capture_->clear_wake();
  EXPECT_EQ(::poll(&wake, 1, 0), 0);
}

TEST_F(ExecCaptureTest, NamesChangeWhileExecsGoOn) {
  const std::vector<std::string> other{"OTHER*"};
  capture_->set_watched(other);
  EXPECT_EQ(notice_of(run("/bin/true", "OTHER_X=1")).kind,
            SnapshotKind::kWatched);
  EXPECT_EQ(notice_of(run("/bin/true", "PRELOAD_TEST=1")).kind,
            SnapshotKind::kNothing);
}

TEST_F(ExecCaptureTest, MegabytesOfVariables) {
  // Beyond the default stack limit's quarter the kernel refuses; stay below.
  constexpr size_t kValue = 100'000;
  std::vector<std::string> strings;
  for (int i = 0; i < 18; ++i)
    strings.push_back("PRELOAD_TEST=" + std::to_string(i) +
                      std::string(kValue, 'x'));
  std::vector<char*> envp;
  for (std::string& s : strings)
    envp.push_back(s.data());
  envp.push_back(nullptr);
  // So much takes milliseconds to read. A program that the scheduler moves to
  // another CPU meanwhile can end before; this one stays.
  std::string name = "/bin/sleep";
  std::string seconds = "2";
  char* argv[] = {name.data(), seconds.data(), nullptr};
  pid_t pid = -1;
  ASSERT_EQ(
      ::posix_spawn(&pid, name.c_str(), nullptr, nullptr, argv, envp.data()),
      0);
  ::waitpid(pid, nullptr, 0);
  const ExecNotice notice = notice_of(pid);
  ASSERT_TRUE(notice.snapshot);
  ASSERT_EQ(notice.snapshot->env.size(), strings.size());
  EXPECT_EQ(notice.snapshot->env.back().value, strings.back().substr(13));
  EXPECT_FALSE(notice.snapshot->env_truncated);
}

// Nobody drains meanwhile. All on one CPU, so that two rings take it all.
TEST_F(ExecCaptureTest, AFloodOfVariablesLeavesANoticeOfEachExec) {
  rlimit stack{};
  ::getrlimit(RLIMIT_STACK, &stack);
  if (stack.rlim_max < size_t{32} << 20)
    GTEST_SKIP() << "no stack for a large environment";
  const std::string value(130'000, 'x');
  const auto run_with = [&](int variables, const std::string& last) {
    std::vector<std::string> strings;
    for (int i = 0; i < variables; ++i)
      strings.push_back("PRELOAD_TEST=" + std::to_string(i) + value);
    strings.push_back(last);
    const auto envp = c_strings(strings);
    const pid_t pid = ::fork();
    if (pid == 0) {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(0, &one);
      const rlimit large{stack.rlim_max, stack.rlim_max};
      if (::sched_setaffinity(0, sizeof one, &one) == 0 &&
          ::setrlimit(RLIMIT_STACK, &large) == 0)
        ::execle("/bin/true", "true", nullptr, envp.data());
      ::_exit(127);
    }
    int status = -1;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
    return pid;
  };
  std::vector<pid_t> flood;
  std::vector<pid_t> targets;
  for (int i = 0; i < 8; ++i)
    flood.push_back(run_with(42, "PRELOAD_TEST=1"));
  for (int i = 0; i < 4; ++i)
    targets.push_back(run_with(0, "PRELOAD_TEST=target"));
  std::map<pid_t, ExecNotice> notices;
  EXPECT_TRUE(eventually(10, [&] {
    drain(notices);
    return std::all_of(targets.begin(), targets.end(),
                       [&](pid_t pid) { return notices.contains(pid); });
  }));
  for (const pid_t pid : flood) {
    const ExecNotice& notice = notices[pid];
    EXPECT_TRUE(notice.snapshot ? !notice.snapshot->env.empty()
                                : notice.kind == SnapshotKind::kUnread);
  }
  for (const pid_t pid : targets) {
    const ExecNotice& notice = notices[pid];
    ASSERT_TRUE(notice.snapshot);
    EXPECT_EQ(notice.snapshot->env,
              (std::vector<EnvVar>{{"PRELOAD_TEST", "target"}}));
  }
  EXPECT_GT(metrics_.get(Metric::kSnapshotsTruncated) +
                metrics_.get(Metric::kRingFull),
            0U);
}

TEST(ExecCapture, AuditOnlyWhenAskedForIt) {
  Metrics metrics;
  const std::vector<std::string> names{"A"};
  auto capture = ExecCapture::open(CaptureChoice::kAudit, metrics);
  ASSERT_TRUE(capture.has_value());
  ASSERT_TRUE((*capture)->start(20, names).has_value());
  EXPECT_EQ((*capture)->mode(), CaptureMode::kAudit);
  EXPECT_TRUE((*capture)->arm());
}

TEST(ExecCapture, ParsesCpuLists) {
  EXPECT_EQ(parse_cpu_list("0-2,5,7-8\n"),
            (std::vector<unsigned>{0, 1, 2, 5, 7, 8}));
  EXPECT_EQ(parse_cpu_list("0\n"), (std::vector<unsigned>{0}));
  EXPECT_TRUE(parse_cpu_list("x-3,-,99999999\n").empty());
}

}  // namespace
}  // namespace preload
