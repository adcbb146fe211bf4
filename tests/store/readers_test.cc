// SPDX-License-Identifier: Apache-2.0
// Analysts read while the daemon writes.
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <thread>

#include <gtest/gtest.h>

#include "preload/base/fd.h"
#include "support/process.h"
#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

// Runs `body` in a child that is nobody, in group `gid`; its exit code.
template <class Body>
int as_nobody(gid_t gid, Body&& body) {
  constexpr uid_t kNobody = 65534;
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(gid) != 0 ||
        ::setuid(kNobody) != 0)
      ::_exit(99);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

// 0 when a reader finds `alerts` rows.
int look(const std::string& path, const std::string& alerts) {
  try {
    return value_of(path, "SELECT count(*) FROM recent_alerts") == alerts ? 0
                                                                          : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}

// 0 when a connection of its own can read.
int open_and_read(const std::string& path) {
  auto database = Database::open(path, Database::Access::kReadOnly);
  if (database)
    if (const auto count = (*database)->integer("SELECT count(*) FROM term");
        !count)
      database = tl::unexpected(count.error());
  if (!database)
    std::fprintf(stderr, "%s\n", database.error().message().c_str());
  return database ? 0 : 1;
}

class Readers : public testing::Test {
 protected:
  FakeClock clock_;
  TempDir dir_;
  std::string path_ = dir_ / "history.db";
};

TEST_F(Readers, OfTheGroupReadAlwaysAndOthersNever) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "needs root, to become somebody else";
  constexpr gid_t kGroup = 4;  // any that is not the writer's
  ASSERT_EQ(::chown(dir_.path().c_str(), 0, kGroup), 0);
  ASSERT_EQ(::chmod(dir_.path().c_str(), 02750), 0);
  auto store = must(Store::open(path_, clock_));
  const auto group = [&](const char* alerts) {
    return as_nobody(kGroup, [&] { return look(path_, alerts); });
  };
  EXPECT_EQ(group("0"), 0) << "right after the start";
  record(*store, exec_event("a"), Verdict::kNew);
  EXPECT_EQ(group("1"), 0) << "while it runs";
  store.reset();
  EXPECT_EQ(group("1"), 0) << "after a clean stop";
  EXPECT_NE(as_nobody(65534, [&] { return look(path_, "1"); }), 0);

  const pid_t child = ::fork();
  if (child == 0) {
    auto killed = Store::open(path_, clock_);
    record(**killed, exec_event("b"), Verdict::kNew);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(group("2"), 0) << "after kill -9";
  store = must(Store::open(path_, clock_));
  EXPECT_EQ(group("2"), 0) << "after the next start";
}

// Who may not write the -shm file, and so not mend it, can look at it while the
// writer changes its header: two copies that differ for a moment.
TEST_F(Readers, OfTheGroupReadInTheMiddleOfAWrite) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "needs root, to become somebody else";
  constexpr gid_t kGroup = 4;
  ASSERT_EQ(::chown(dir_.path().c_str(), 0, kGroup), 0);
  ASSERT_EQ(::chmod(dir_.path().c_str(), 02750), 0);
  // Before SQLite in this process knows the file.
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe2(ready.data(), O_CLOEXEC), 0);
  const pid_t reader = ::fork();
  if (reader == 0)
    ::_exit(as_nobody(kGroup, [&] {
      char go = 0;
      return ::read(ready[0], &go, 1) == 1 ? open_and_read(path_) : 2;
    }));
  const auto store = must(Store::open(path_, clock_));
  record(*store, exec_event("a"), Verdict::kNew);
  must(store->flush());
  const Fd shm(::open((path_ + "-shm").c_str(), O_RDWR | O_CLOEXEC));
  char byte = 0;
  ASSERT_EQ(::pread(shm.get(), &byte, 1, 8), 1);
  const char other = static_cast<char>(~byte);
  ASSERT_EQ(::pwrite(shm.get(), &other, 1, 8), 1);
  ASSERT_EQ(::write(ready[1], "x", 1), 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  ASSERT_EQ(::pwrite(shm.get(), &byte, 1, 8), 1);
  EXPECT_EQ(wait_for(reader), 0);
}

TEST_F(Readers, AnOpenTransactionHoldsUpNothing) {
  const auto store = must(Store::open(path_, clock_));
  record(*store, exec_event("a"), Verdict::kNew);
  const auto reader = must(Database::open(path_, Database::Access::kReadOnly));
  {
    Cursor held =
        reader->query("SELECT value FROM term, (SELECT 1 UNION SELECT 2)");
    ASSERT_TRUE(must(held.next()));
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 50; ++i) {
      record(*store, exec_event("v" + std::to_string(i)), Verdict::kNew);
      must(store->flush());
      must(store->maintain());
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start,
              std::chrono::seconds(5));
    ASSERT_TRUE(must(held.next()));
    EXPECT_EQ(held.text(0), "a") << "the reader's own moment";
    EXPECT_FALSE(must(held.next()));
  }
  EXPECT_EQ(value_of(path_, "SELECT count(*) FROM term"), "51");
}

TEST_F(Readers, TheLogStopsGrowingByWhatCanWait) {
  const auto store = must(Store::open(path_, clock_));
  constexpr int kTerms = 5000;
  must(store->begin());
  for (int i = 0; i < kTerms; ++i)
    record(*store, exec_event("v" + std::to_string(i)), Verdict::kLearned);
  must(store->commit());
  const auto reader = must(Database::open(path_, Database::Access::kReadOnly));
  const auto log_bytes = [&] {
    return std::filesystem::file_size(path_ + "-wal");
  };
  {
    Cursor held = reader->query("SELECT value FROM term");
    ASSERT_TRUE(must(held.next()));
    for (int round = 1; round <= 60; ++round) {
      for (int i = 0; i < kTerms; ++i)
        record(*store,
               exec_event("v" + std::to_string(i), 1, kEventTime + round),
               Verdict::kKnown);
      must(store->flush());
      must(store->maintain());
    }
    EXPECT_LT(log_bytes(), 48U << 20);
    EXPECT_GT(log_bytes(), 32U << 20) << "the bound was not tried";
    // What is new still gets in.
    record(*store, exec_event("new"), Verdict::kNew);
    EXPECT_EQ(value_of(path_, "SELECT count(*) FROM alert"), "1");
  }
  must(store->flush());
  must(store->maintain());
  EXPECT_EQ(value_of(path_, "SELECT count(*) FROM term WHERE seen_count = 61"),
            std::to_string(kTerms));
  EXPECT_LT(log_bytes(), 9U << 20);
}

TEST_F(Readers, AWriterWaitsForTheOneBefore) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  // Before the parent opens: a lock is inherited.
  const pid_t child = ::fork();
  if (child == 0) {
    char go = 0;
    if (::read(pipe[0], &go, 1) != 1)
      ::_exit(2);
    ::_exit(Store::open(path_, clock_) ? 0 : 1);
  }
  auto store = must(Store::open(path_, clock_));
  ASSERT_EQ(::write(pipe[1], "x", 1), 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, WNOHANG), 0) << "it did not wait";
  store.reset();
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  ::close(pipe[0]);
  ::close(pipe[1]);
}

}  // namespace
}  // namespace preload
