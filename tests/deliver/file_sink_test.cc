// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/file_sink.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "samples.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

namespace fs = std::filesystem;

// Files may not grow beyond `bytes`: a full disk, as write(2) tells of it.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

class FileSinkTest : public testing::Test {
 protected:
  [[nodiscard]] std::string content() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file),
            std::istreambuf_iterator<char>()};
  }
  // The alert ids of the file; fails on a line that is not a document.
  [[nodiscard]] std::vector<int64_t> ids() const {
    std::vector<int64_t> found;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);)
      found.push_back(
          nlohmann::json::parse(line)["audisp_preload"]["alert_id"]);
    return found;
  }
  static Alert alert(int64_t id) {
    Alert alert = sample_alert();
    alert.alert_id = id;
    return alert;
  }

  TempDir dir_;
  std::string path_ = dir_ / "ecs.json";
  FakeClock clock_;
  FileSink sink_{path_, HostInfo{}, clock_};
};

TEST_F(FileSinkTest, AppendsLinesToAFileOfItsOwn) {
  ASSERT_TRUE(sink_.deliver(alert(1)));
  ASSERT_TRUE(sink_.deliver(alert(2)));
  EXPECT_EQ(ids(), (std::vector<int64_t>{1, 2}));
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U & ~0640U, 0U);
  ASSERT_TRUE(sink_.deliver_event(*sample_alert().event));
  EXPECT_TRUE(content().ends_with("}\n"));
}

TEST_F(FileSinkTest, ReopensAfterRotation) {
  ASSERT_TRUE(sink_.deliver(alert(1)));
  fs::rename(path_, path_ + ".1");
  ASSERT_TRUE(sink_.deliver(alert(2)));  // still the old one
  EXPECT_FALSE(fs::exists(path_));
  sink_.reopen();
  ASSERT_TRUE(sink_.deliver(alert(3)));
  EXPECT_EQ(ids(), std::vector<int64_t>{3});
}

TEST_F(FileSinkTest, NoticesThatTheFileWasDeleted) {
  ASSERT_TRUE(sink_.deliver(alert(1)));
  fs::remove(path_);
  ASSERT_TRUE(sink_.deliver(alert(2)));
  EXPECT_EQ(ids(), std::vector<int64_t>{2});
}

TEST_F(FileSinkTest, AFullDiskLeavesNoBrokenLine) {
  ASSERT_TRUE(sink_.deliver(alert(1)));
  const std::string before = content();
  Status status;
  {
    const FileSizeLimit limit(before.size() + 100);
    status = sink_.deliver(alert(2));
  }
  EXPECT_FALSE(status);
  EXPECT_EQ(content(), before);
  ASSERT_TRUE(sink_.deliver(alert(2)));
  EXPECT_EQ(ids(), (std::vector<int64_t>{1, 2}));
}

TEST_F(FileSinkTest, TakesBackALineThatACrashCut) {
  ASSERT_TRUE(sink_.deliver(alert(1)));
  std::ofstream(path_, std::ios::app) << "{\"@timestamp\":\"2026-";
  sink_.reopen();
  ASSERT_TRUE(sink_.deliver(alert(2)));
  EXPECT_EQ(ids(), (std::vector<int64_t>{1, 2}));

  std::ofstream(path_) << "{\"cut\":";  // nothing but a cut line
  sink_.reopen();
  ASSERT_TRUE(sink_.deliver(alert(3)));
  EXPECT_EQ(ids(), std::vector<int64_t>{3});
}

TEST_F(FileSinkTest, BeginsBelowALineThatIsNotOurs) {
  std::ofstream(path_) << std::string(200'000, 'x');
  ::chmod(path_.c_str(), 0640);
  ASSERT_TRUE(sink_.deliver(alert(1)));
  const std::string all = content();
  EXPECT_TRUE(all.starts_with(std::string(200'000, 'x') + "\n{"));
}

TEST_F(FileSinkTest, RefusesWhatIsNotSafe) {
  const auto refused = [&](const std::string& why) {
    sink_.reopen();
    const Status status = sink_.deliver(alert(1));
    ASSERT_FALSE(status) << why;
    EXPECT_NE(status.error().message().find(why), std::string::npos)
        << status.error().message();
  };
  std::ofstream(dir_ / "elsewhere") << "";
  fs::create_symlink(dir_ / "elsewhere", path_);
  refused("symbolic link");
  fs::remove(path_);
  std::ofstream(path_) << "";
  ::chmod(path_.c_str(), 0660);
  refused("chmod go-w");
  fs::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0640), 0);
  refused("not a regular file");
  fs::remove(path_);
  fs::create_directory(path_);
  refused("Is a directory");
  fs::remove(path_);
  if (::geteuid() == 0) {
    std::ofstream(path_) << "";
    ASSERT_EQ(::chown(path_.c_str(), 65'534, 0), 0);
    refused("chown root");
    fs::remove(path_);
  }
  EXPECT_EQ(fs::file_size(dir_ / "elsewhere"), 0U);
  ASSERT_TRUE(sink_.deliver(alert(2)));  // mended
  EXPECT_EQ(ids(), std::vector<int64_t>{2});
}

}  // namespace
}  // namespace preload
