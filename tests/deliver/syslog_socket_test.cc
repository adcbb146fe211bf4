// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/syslog_socket.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <regex>

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/syslog_daemon.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class SyslogSocketTest : public testing::Test {
 protected:
  SyslogSocket socket() { return {path_, LOG_AUTHPRIV, clock_}; }

  TempDir dir_;
  std::string path_ = dir_ / "log";
  FakeClock clock_;
};

TEST_F(SyslogSocketTest, WritesAMessageAsSyslogDoes) {
  SyslogDaemon daemon(path_, SOCK_DGRAM);
  SyslogSocket socket = this->socket();
  ASSERT_TRUE(socket.send(LOG_NOTICE, "hello", SyslogWait::kBounded));
  const std::string message = daemon.receive();
  std::array<char, 64> time{};
  const time_t now = clock_.wall_us() / kMicrosPerSecond;
  tm local{};
  ::localtime_r(&now, &local);
  std::strftime(time.data(), time.size(), "%b %e %H:%M:%S", &local);
  EXPECT_EQ(message, "<85>" + std::string(time.data()) + " audisp-preload[" +
                         std::to_string(::getpid()) + "]: hello");
  EXPECT_LT(message.size() - 5, kSyslogHeaderBytes);
}

TEST_F(SyslogSocketTest, FallsBackToAStream) {
  SyslogDaemon daemon(path_, SOCK_STREAM);
  SyslogSocket socket = this->socket();
  ASSERT_TRUE(socket.send(LOG_ERR, "one", SyslogWait::kBounded));
  ASSERT_TRUE(socket.send(LOG_ERR, "two", SyslogWait::kBounded));
  const std::string received = daemon.receive();
  EXPECT_NE(received.find("]: one\0", 0), std::string::npos);
  EXPECT_EQ(std::count(received.begin(), received.end(), '\0'), 2);
}

TEST_F(SyslogSocketTest, SaysThatNobodyListens) {
  SyslogSocket socket = this->socket();
  const Status missing = socket.send(LOG_ERR, "x", SyslogWait::kBounded);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code.value(), ENOENT);
  EXPECT_NE(missing.error().message().find(path_), std::string::npos);
  { const SyslogDaemon daemon(path_, SOCK_DGRAM); }
  const Status refused = socket.send(LOG_ERR, "x", SyslogWait::kBounded);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code.value(), ECONNREFUSED);
}

TEST_F(SyslogSocketTest, FindsARestartedDaemonAtOnce) {
  SyslogSocket socket = this->socket();
  for (const int type : {SOCK_DGRAM, SOCK_STREAM, SOCK_DGRAM}) {
    SyslogDaemon daemon(path_, type);
    ASSERT_TRUE(socket.send(LOG_ERR, "again", SyslogWait::kBounded));
    EXPECT_NE(daemon.receive().find("]: again"), std::string::npos);
    daemon.stop();
  }
}

TEST_F(SyslogSocketTest, TooLongIsToldApart) {
  SyslogDaemon daemon(path_, SOCK_DGRAM);
  SyslogSocket socket = this->socket();
  const Status status =
      socket.send(LOG_ERR, std::string(4'000'000, 'x'), SyslogWait::kBounded);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code.value(), EMSGSIZE);
  EXPECT_TRUE(socket.send(LOG_ERR, "still works", SyslogWait::kBounded));
}

TEST_F(SyslogSocketTest, ADaemonThatDoesNotReadHoldsUpNobody) {
  SyslogDaemon daemon(path_, SOCK_DGRAM);
  SyslogSocket socket = this->socket();
  Status status;
  for (int i = 0; i < 100'000 && status; ++i)
    status = socket.send(LOG_ERR, "fill", SyslogWait::kNever);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code.value(), EAGAIN);

  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(socket.send(LOG_ERR, "alert", SyslogWait::kBounded));
  const auto waited = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(waited, std::chrono::milliseconds(1'900));
  EXPECT_LE(waited, std::chrono::seconds(20));

  EXPECT_NE(daemon.receive().find("]: fill"), std::string::npos);
  EXPECT_TRUE(socket.send(LOG_ERR, "alert", SyslogWait::kBounded));
}

}  // namespace
}  // namespace preload
