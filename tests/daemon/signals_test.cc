// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <functional>

#include <gtest/gtest.h>

namespace preload {
namespace {

// To the main thread of a process: other tests leave threads behind that do not
// block signals.
int send(int signal, pid_t process = ::getpid()) {
  return ::tgkill(process, process, signal);
}

// Signals of a test must not stay blocked or pending in the next.
class Signals : public testing::Test {
 protected:
  Signals() {
    ::pthread_sigmask(SIG_SETMASK, nullptr, &before_);
    pipe_before_ = ::signal(SIGPIPE, SIG_DFL);
    auto fd = block_signals();
    EXPECT_TRUE(fd.has_value());
    fd_ = std::move(*fd);
  }
  void TearDown() override {
    while (next_signal(fd_, 0) != SignalMeaning::kNone) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    (void)::signal(SIGPIPE, pipe_before_);
  }

  SignalMeaning meaning_of(int signal, pid_t parent = 1) {
    EXPECT_EQ(send(signal), 0);
    return next_signal(fd_, parent);
  }

  sigset_t before_{};
  void (*pipe_before_)(int) = nullptr;
  Fd fd_;
};

TEST_F(Signals, HaveTheirMeanings) {
  EXPECT_EQ(next_signal(fd_, 1), SignalMeaning::kNone);
  EXPECT_EQ(meaning_of(SIGHUP), SignalMeaning::kReload);
  EXPECT_EQ(meaning_of(SIGUSR1), SignalMeaning::kReport);
  EXPECT_EQ(meaning_of(SIGCONT), SignalMeaning::kReport);
  EXPECT_EQ(meaning_of(SIGINT), SignalMeaning::kStop);
  EXPECT_EQ(next_signal(fd_, 1), SignalMeaning::kNone);
}

TEST_F(Signals, StopOnlyByTheParent) {
  EXPECT_EQ(meaning_of(SIGTERM, ::getpid()), SignalMeaning::kStop);
  EXPECT_EQ(meaning_of(SIGTERM, ::getppid()), SignalMeaning::kNone);
  const pid_t stranger = ::fork();
  if (stranger == 0) {
    send(SIGTERM, ::getppid());
    ::_exit(0);
  }
  ::waitpid(stranger, nullptr, 0);
  EXPECT_EQ(next_signal(fd_, ::getpid()), SignalMeaning::kNone);
  send(SIGTERM);
  EXPECT_EQ(next_signal(fd_, ::getpid()), SignalMeaning::kStop);
}

TEST_F(Signals, MakeTheDescriptorReadable) {
  pollfd wait{fd_.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&wait, 1, 0), 0);
  send(SIGHUP);
  EXPECT_EQ(::poll(&wait, 1, 0), 1);
  EXPECT_EQ(next_signal(fd_, 1), SignalMeaning::kReload);
  EXPECT_EQ(::poll(&wait, 1, 0), 0);
}

TEST_F(Signals, LeaveABrokenPipeToTheWriter) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  ::close(ends[0]);
  EXPECT_EQ(::write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  ::close(ends[1]);
}

TEST_F(Signals, AreNotInheritedByPrograms) {
  EXPECT_NE(::fcntl(fd_.get(), F_GETFD) & FD_CLOEXEC, 0);
}

}  // namespace
}  // namespace preload
