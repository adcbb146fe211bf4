// SPDX-License-Identifier: Apache-2.0
// The thread "late", on a fake /proc in which a FIFO stands for what hangs.
#include "preload/correlate/late_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace preload {
namespace {

using What = LateRequest::What;

class LateReaderTest : public testing::Test {
 protected:
  void program(int32_t pid) {
    const std::string path = dir_ / std::to_string(pid);
    std::filesystem::create_directory(path);
    std::filesystem::create_symlink("/bin/x", path + "/exe");
  }
  void hanging(int32_t pid) {
    program(pid);
    fifos_.push_back(dir_ / std::to_string(pid) + "/stat");
    ASSERT_EQ(::mkfifo(fifos_.back().c_str(), 0600), 0);
  }
  void let_go() {
    for (const std::string& fifo : fifos_)
      writers_.emplace_back(::open(fifo.c_str(), O_RDWR | O_CLOEXEC));
    writers_.clear();
  }
  bool ask(int32_t pid) { return late_.post({What::kProgram, pid, 0, {}, 0}); }
  // As the input thread waits.
  std::vector<LateResult> wait_for(size_t count) {
    std::vector<LateResult> results;
    while (results.size() < count) {
      pollfd ready{late_.fd(), POLLIN, 0};
      ::poll(&ready, 1, 5);
      for (LateResult& result : late_.take())
        results.push_back(std::move(result));
    }
    return results;
  }

  TempDir dir_;
  std::vector<std::string> fifos_;
  std::vector<Fd> writers_;
  Fd proc_ = SnapshotReader::open_proc(dir_.path().c_str()).value();
  LateReader late_{proc_, WatchList(std::vector<std::string>{"A"})};
};

TEST_F(LateReaderTest, AnswersEachRequestInOrder) {
  for (int32_t pid = 1; pid <= 100; ++pid) {
    program(pid);
    ASSERT_TRUE(ask(pid));
  }
  const auto results = wait_for(100);
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].request.pid, static_cast<int32_t>(i) + 1);
    EXPECT_EQ(results[i].program.path, "/bin/x");
  }
  EXPECT_EQ(late_.pending(), 0U);
  EXPECT_FALSE(late_.deadline_ns());
}

TEST_F(LateReaderTest, ReadsTheWholePreloadFile) {
  std::ofstream(dir_ / "file") << "/lib/a.so /lib/b.so";
  ASSERT_TRUE(late_.post({What::kPreloadFile, 0, 0, dir_ / "file", 0}));
  const auto results = wait_for(1);
  ASSERT_TRUE(results[0].entries);
  EXPECT_EQ(results[0].entries->size(), 2U);
}

TEST_F(LateReaderTest, GivesUpWhatHangsAndGoesOn) {
  hanging(1);
  program(2);
  ASSERT_TRUE(ask(1));
  ASSERT_TRUE(ask(2));
  EXPECT_TRUE(late_.deadline_ns());
  const auto results = wait_for(2);
  EXPECT_EQ(results[0].program.path, "");
  EXPECT_EQ(results[1].program.path, "/bin/x");
  EXPECT_EQ(late_.lost(), 1U);
  let_go();
  while (late_.lost() > 0)
    ::poll(nullptr, 0, 1);
}

// One full wait, then short ones, then none: generous, for a busy machine.
TEST_F(LateReaderTest, ManyThatHangDoNotKeepTheOthersWaiting) {
  for (int32_t pid = 1; pid <= 60; ++pid) {
    hanging(pid);
    ASSERT_TRUE(ask(pid));
  }
  const auto begin = std::chrono::steady_clock::now();
  wait_for(60);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_LE(late_.lost(), LateReader::kMaxLost);
  let_go();
}

TEST_F(LateReaderTest, AFullOrClosedQueueRefuses) {
  hanging(1);
  size_t taken = 0;
  while (taken <= 2 * LateReader::kMaxRequests && ask(1))
    ++taken;
  EXPECT_GE(taken, LateReader::kMaxRequests);
  EXPECT_LE(taken, LateReader::kMaxRequests + 1);
  late_.close();
  EXPECT_FALSE(ask(1));
  EXPECT_EQ(wait_for(taken).size(), taken) << "each has its result";
  EXPECT_EQ(late_.pending(), 0U);
  let_go();
}

TEST_F(LateReaderTest, WhatFailedIsUnreadable) {
  hanging(1);
  std::filesystem::remove(dir_ / "1/environ");
  ASSERT_EQ(::mkfifo((dir_ / "1/environ").c_str(), 0600), 0);
  fifos_.push_back(dir_ / "1/environ");
  ASSERT_TRUE(late_.post({What::kEnvironment, 1, 9, "/bin/x", 0}));
  const auto results = wait_for(1);
  EXPECT_EQ(results[0].request.token, 9U);
  EXPECT_EQ(results[0].read.kind, SnapshotKind::kUnread);
  EXPECT_EQ(results[0].read.reason, MissReason::kUnreadable);
  let_go();
}

}  // namespace
}  // namespace preload
