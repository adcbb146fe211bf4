// SPDX-License-Identifier: Apache-2.0
// Environments that are hard to read, in a /proc of the test's own.
#include "preload/capture/snapshot_reader.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "preload/capture/exec_listener.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

using std::string_literals::operator""s;

constexpr int32_t kPid = 7;
constexpr size_t kPiece = size_t{64} * 1024;  // of one read(2)

class SnapshotReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(dir_ / "7");
    std::filesystem::create_symlink("/bin/x", file("exe"));
    std::ofstream(file("loginuid")) << "1000";
    auto proc = SnapshotReader::open_proc(dir_.path().c_str());
    ASSERT_TRUE(proc.has_value());
    proc_ = std::move(*proc);
    reader_ = std::make_unique<SnapshotReader>(proc_);
  }

  [[nodiscard]] std::string file(const std::string& name) const {
    return dir_ / ("7/" + name);
  }
  [[nodiscard]] ReadOutcome read(size_t space = kMaxSnapshot) {
    return reader_->read(kPid, 1, watched_, std::span(space_).first(space));
  }
  [[nodiscard]] ExecSnapshot decoded(const ReadOutcome& outcome) {
    return *parse_notice(std::span(space_).first(outcome.length))->snapshot;
  }

  TempDir dir_;
  Fd proc_;
  WatchList watched_{std::vector<std::string>{"A"}};
  std::unique_ptr<SnapshotReader> reader_;
  // As a ring in use: not zero.
  std::vector<std::byte> space_ =
      std::vector<std::byte>(kMaxSnapshot, std::byte{1});
};

// A FIFO in the place of a file of /proc; the test holds its other end.
class Fifo {
 public:
  explicit Fifo(const std::string& path) {
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    end_ = Fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  }
  void write(const std::string& bytes) const {
    EXPECT_EQ(::write(end_.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  [[nodiscard]] bool is_read() const {
    int left = 0;
    return ::ioctl(end_.get(), FIONREAD, &left) == 0 && left == 0;
  }
  void close() { end_ = Fd(); }

 private:
  Fd end_;
};

// A read in a thread of its own, which may wait.
class Reading {
 public:
  explicit Reading(std::function<ReadOutcome()> read)
      : thread_([this, read = std::move(read)] {
          outcome_ = read();
          done_ = true;
        }) {}
  [[nodiscard]] bool done() const { return done_; }
  void interrupt(int signal) {
    ::pthread_kill(thread_.native_handle(), signal);
  }
  ReadOutcome end() {
    thread_.join();
    return outcome_;
  }

 private:
  ReadOutcome outcome_;
  std::atomic<bool> done_ = false;
  std::thread thread_;  // last: it uses the others
};

TEST_F(SnapshotReaderTest, WithoutRoomForAnyVariableItSaysSo) {
  std::ofstream(file("environ")) << "B=1\0A=1\0"s;
  for (const size_t space : {kSnapshotHeader, kOtherSections}) {
    const ReadOutcome outcome = read(space);
    EXPECT_EQ(outcome.kind, SnapshotKind::kUnread);
    EXPECT_EQ(outcome.error, ENOBUFS);
    EXPECT_EQ(outcome.length, kSnapshotHeader);
    EXPECT_EQ(parse_notice(space_)->kind, SnapshotKind::kUnread);
  }
  std::ofstream(file("environ")) << "B=1\0"s;
  EXPECT_EQ(read(kSnapshotHeader).kind, SnapshotKind::kNothing);
  EXPECT_EQ(read(kSnapshotHeader - 1).length, 0U);
}

TEST_F(SnapshotReaderTest, AReadThatFailsMidwayForgesNoValue) {
  struct sigaction interrupt {};
  struct sigaction before {};
  interrupt.sa_handler = [](int) {};
  ASSERT_EQ(::sigaction(SIGUSR2, &interrupt, &before), 0);
  const Fifo environ(file("environ"));
  environ.write("A=first\0A="s + std::string(kPiece - 10, 'v'));
  Reading reading([&] { return read(); });
  EXPECT_TRUE(eventually(10, [&] { return environ.is_read(); }));
  // It waits for more now, or will: again and again.
  EXPECT_TRUE(eventually(10, [&] {
    reading.interrupt(SIGUSR2);
    return reading.done();
  }));
  const ReadOutcome outcome = reading.end();
  ::sigaction(SIGUSR2, &before, nullptr);
  EXPECT_EQ(outcome.kind, SnapshotKind::kWatched);
  EXPECT_EQ(outcome.error, EINTR);
  const ExecSnapshot snapshot = decoded(outcome);
  EXPECT_TRUE(snapshot.env_truncated);
  EXPECT_EQ(snapshot.env, (std::vector<EnvVar>{{"A", "first"}}));
  EXPECT_EQ(snapshot.executable, "/bin/x");
  EXPECT_EQ(snapshot.auid, 1000U);
}

// A program that runs on makes all reads hang but of what is open.
TEST_F(SnapshotReaderTest, ALongReadTouchesNothingElseAfterwards) {
  Fifo environ(file("environ"));
  environ.write("A=1\0B="s + std::string(kPiece - 6, 'v'));
  Reading reading([&] { return read(); });
  EXPECT_TRUE(eventually(10, [&] { return environ.is_read(); }));
  environ.write(std::string(kPiece, 'v'));
  EXPECT_TRUE(eventually(10, [&] { return environ.is_read(); }));
  // It waits for the third piece, and would wait for this as well.
  Fifo stat(file("stat"));
  stat.close();
  std::filesystem::remove(file("exe"));
  environ.close();
  EXPECT_TRUE(eventually(10, [&] { return reading.done(); }));
  while (!reading.done())
    const Fd let_go(::open(file("stat").c_str(), O_WRONLY | O_NONBLOCK));
  const ReadOutcome outcome = reading.end();
  EXPECT_EQ(outcome.kind, SnapshotKind::kWatched);
  EXPECT_EQ(decoded(outcome).executable, "/bin/x");
}

TEST_F(SnapshotReaderTest, AWholeLongEnvironmentIsNotCut) {
  std::ofstream(file("environ"))
      << "A=1\0B="s << std::string(3 * kPiece, 'v') << "\0A=2\0"s;
  const ReadOutcome outcome = read();
  EXPECT_EQ(outcome.error, 0);
  EXPECT_EQ(decoded(outcome).env,
            (std::vector<EnvVar>{{"A", "1"}, {"A", "2"}}));
  EXPECT_FALSE(decoded(outcome).env_truncated);
}

TEST(RingShare, EveryExecHasANoticeAndAFewLargeOnesLeaveRoom) {
  EXPECT_GE(ring_share(kRingBytes), size_t{6} << 20);
  size_t free = kRingBytes;
  for (int i = 0; i < 6; ++i)
    free -= ring_share(free);
  EXPECT_GE(ring_share(free), kOtherSections + size_t{64} * 1024);
  size_t notices = 0;
  for (; ring_share(free) >= kSnapshotHeader; ++notices) {
    ASSERT_LE(ring_share(free), free);
    free -= std::min(free, std::max<size_t>(ring_share(free), 24));
  }
  EXPECT_GE(notices, 10'000U);
}

}  // namespace
}  // namespace preload
