// SPDX-License-Identifier: Apache-2.0
#include "preload/base/trusted_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "support/process.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class TrustedFile : public ::testing::Test {
 protected:
  std::string make(const std::string& content, mode_t mode) {
    std::string path = dir_ / "file";
    std::ofstream(path) << content;
    ::chmod(path.c_str(), mode);
    return path;
  }
  static std::string refusal(const std::string& path) {
    const auto fd = open_trusted(path);
    EXPECT_FALSE(fd.has_value()) << path;
    return fd ? "" : fd.error().message();
  }
  const TempDir dir_;
};

TEST_F(TrustedFile, OpensOwnFileThatNobodyElseMayWrite) {
  for (const mode_t mode : {0600U, 0640U, 0644U, 0400U}) {
    const auto fd = open_trusted(make("content", mode));
    ASSERT_TRUE(fd.has_value()) << fd.error().message();
    EXPECT_EQ(read_all(*fd, 100, "file"), "content");
    std::filesystem::remove(dir_ / "file");
  }
}

TEST_F(TrustedFile, RefusesWhatOthersMayWriteAndSaysHowToMendIt) {
  for (const mode_t mode : {0620U, 0602U, 0666U}) {
    const std::string path = make("x", mode);
    EXPECT_NE(refusal(path).find("chmod go-w " + path), std::string::npos)
        << refusal(path);
  }
}

TEST_F(TrustedFile, RefusesAnothersFile) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "needs root to give a file away";
  const std::string path = make("x", 0644);
  ASSERT_EQ(::chown(path.c_str(), 12345, 0), 0);
  EXPECT_NE(refusal(path).find("12345"), std::string::npos);
  EXPECT_NE(refusal(path).find("chown root " + path), std::string::npos);
}

TEST_F(TrustedFile, RefusesLinksAndWhatIsNoFile) {
  const std::string path = make("x", 0600);
  std::filesystem::create_symlink(path, dir_ / "link");
  EXPECT_NE(refusal(dir_ / "link").find("symbolic link"), std::string::npos);
  EXPECT_NE(refusal(dir_.path()).find("not a regular file"), std::string::npos);
  ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  EXPECT_NE(refusal(dir_ / "fifo").find("not a regular file"),
            std::string::npos);  // and does not wait for a writer
  const auto missing = open_trusted(dir_ / "missing");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code.value(), ENOENT);
}

TEST_F(TrustedFile, ReadsUpToTheLimitAndNoFurther) {
  for (const size_t size : {0U, 1U, 4095U, 4096U, 4097U, 100'000U}) {
    const std::string content(size, 'x');
    const std::string path = make(content, 0600);
    EXPECT_EQ(read_all(*open_trusted(path), size, "file"), content);
    if (size == 0)
      continue;
    const auto refused = read_all(*open_trusted(path), size - 1, "file");
    ASSERT_FALSE(refused.has_value()) << size;
    EXPECT_NE(refused.error().message().find("file is larger than"),
              std::string::npos);
  }
}

TEST_F(TrustedFile, ReplacesWholeFiles) {
  const std::string path = dir_ / "state";
  ASSERT_TRUE(replace_file(path, "one", 0640).has_value());
  const std::string large(1 << 20, 'y');
  ASSERT_TRUE(replace_file(path, large, 0640).has_value());
  EXPECT_EQ(content_of(path), large);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U & ~0640U, 0U);
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_F(TrustedFile, ReplacingFollowsNoLinkThatAwaitsIt) {
  const std::string victim = make("victim", 0600);
  const std::string path = dir_ / "state";
  std::filesystem::create_symlink(victim, path + ".new");
  std::filesystem::create_symlink(victim, path);
  ASSERT_TRUE(replace_file(path, "state", 0600).has_value());
  EXPECT_EQ(content_of(victim), "victim");
  EXPECT_EQ(content_of(path), "state");
  EXPECT_FALSE(std::filesystem::is_symlink(path));
}

TEST_F(TrustedFile, FailureLeavesTheOldFileAndNothingElse) {
  const std::string path = dir_ / "state";
  std::filesystem::create_directories(path + "/occupied");
  EXPECT_FALSE(replace_file(path, "x", 0600).has_value());
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  EXPECT_FALSE(replace_file(dir_ / "no/such/dir", "x", 0600).has_value());
}

}  // namespace
}  // namespace preload
