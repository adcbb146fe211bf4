// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/file_thread.h"

#include <poll.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class FileThreadTest : public testing::Test {
 protected:
  void configure(const std::string& more) const {
    std::ofstream(file_) << "state_file = " << state_
                         << "\nmetrics_file = " << prom_ << "\n"
                         << more;
    std::filesystem::permissions(file_, std::filesystem::perms(0600));
  }
  std::unique_ptr<FileThread> thread(int64_t report_ns = kNever) {
    return std::make_unique<FileThread>(
        *load_config(file_), file_, "pid: 7\n", metrics_, clock_, report_ns,
        [](const std::string& what) { ADD_FAILURE() << what; });
  }
  static bool readable(const FileThread& thread, int milliseconds) {
    pollfd wait{thread.fd(), POLLIN, 0};
    return ::poll(&wait, 1, milliseconds) == 1;
  }

  static constexpr int64_t kNever = 3600 * kNanosPerSecond;
  const TempDir dir_;
  const std::string file_ = dir_ / "conf";
  const std::string state_ = dir_ / "state";
  const std::string prom_ = dir_ / "p.prom";
  Metrics metrics_;
  FakeClock clock_;
};

TEST_F(FileThreadTest, WritesTheStateFileAtStartAndRemovesItAtTheEnd) {
  configure("");
  auto thread = this->thread();
  EXPECT_TRUE(content_of(state_).starts_with("pid: 7\nwritten: "));
  EXPECT_FALSE(std::filesystem::exists(prom_));
  thread.reset();
  EXPECT_FALSE(std::filesystem::exists(state_));
  EXPECT_NE(content_of(prom_).find("_records_total 0\n"), std::string::npos);
}

TEST_F(FileThreadTest, ReportsInBothFilesForAllToRead) {
  configure("");
  const mode_t before = ::umask(027);
  const auto thread = this->thread();
  metrics_.add(Metric::kRecords, 5);
  thread->report();
  EXPECT_TRUE(eventually(10, [&] {
    return content_of(prom_).find("_records_total 5\n") != std::string::npos;
  }));
  EXPECT_NE(content_of(state_).find("\naudit_records: 5\n"), std::string::npos);
  ::umask(before);
  for (const std::string& path : {state_, prom_}) {
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0644U) << path;
  }
}

TEST_F(FileThreadTest, WritesMetricsFromTimeToTime) {
  configure("");
  const auto thread = this->thread(kNanosPerMilli);
  EXPECT_TRUE(eventually(10, [&] { return !content_of(prom_).empty(); }));
  std::filesystem::remove(prom_);
  EXPECT_TRUE(eventually(10, [&] { return !content_of(prom_).empty(); }));
}

TEST_F(FileThreadTest, ReloadsWhatIsValidAndNeedsNoRestart) {
  configure("severity = high\n");
  const auto thread = this->thread();
  configure("severity = low\ndatabase = /other/h.db\necs_file = /e.json\n");
  thread->reload();
  ASSERT_TRUE(readable(*thread, 10'000));
  const auto reloaded = thread->take();
  ASSERT_TRUE(reloaded);
  EXPECT_EQ(reloaded->config.severity, "low");
  EXPECT_EQ(reloaded->config.database, Config().database);
  EXPECT_EQ(reloaded->sinks.size(), 2U);
  EXPECT_FALSE(thread->take());
  EXPECT_FALSE(readable(*thread, 0));
}

TEST_F(FileThreadTest, RefusesWhatIsNotValid) {
  configure("");
  const auto thread = this->thread();
  for (const char* wrong : {"no_such_key = 1\n", "exception = nonsense\n"}) {
    configure(wrong);
    std::filesystem::remove(prom_);
    thread->reload();  // writes it afterwards
    EXPECT_TRUE(eventually(10, [&] { return std::filesystem::exists(prom_); }));
    EXPECT_FALSE(thread->take()) << wrong;
  }
}

}  // namespace
}  // namespace preload
