// SPDX-License-Identifier: Apache-2.0
#include "preload/sandbox/file_ownership.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace preload {
namespace {

class FileOwnership : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0)
      GTEST_SKIP() << "needs root, to change owners";
    std::filesystem::create_directory(dir_ / "db");
    config_.database = dir_ / "db/history.db";
    config_.state_file = dir_ / "run/state";
    config_.ecs_file = dir_ / "ecs.json";
  }
  void make(const std::string& name) const {
    std::ofstream(dir_ / name) << "x";
    ::chmod((dir_ / name).c_str(), 0640);
  }
  [[nodiscard]] uid_t owner(const std::string& name) const {
    struct stat status {};
    EXPECT_EQ(::lstat((dir_ / name).c_str(), &status), 0) << name;
    return status.st_uid;
  }
  [[nodiscard]] std::string error() const {
    const Status changed = transfer_ownership(config_, user_);
    return changed ? "" : changed.error().message();
  }

  const TempDir dir_;
  Config config_;
  const Identity user_{"somebody", 4711, 4711};
};

TEST_F(FileOwnership, ChangesTheOwnerOfThePluginsFiles) {
  for (const char* name : {"db/history.db", "db/history.db-wal"})
    make(name);
  EXPECT_EQ(error(), "");
  for (const char* name :
       {"db", "db/history.db", "db/history.db-wal", "run", "ecs.json"})
    EXPECT_EQ(owner(name), user_.uid) << name;
  struct stat status {};
  ASSERT_EQ(::stat((dir_ / "run").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0755U);
  EXPECT_EQ(error(), "") << "a second time";
}

TEST_F(FileOwnership, LeavesADirectoryThatHoldsMore) {
  make("db/passwords");
  const std::string why = error();
  EXPECT_NE(why.find("passwords"), std::string::npos) << why;
  EXPECT_NE(why.find("install -d -m 2750 -o somebody"), std::string::npos)
      << why;
  EXPECT_EQ(owner("db"), 0U);
}

TEST_F(FileOwnership, LeavesAFileWithASecondName) {
  make("secret");
  ASSERT_EQ(::chown((dir_ / "db").c_str(), user_.uid, user_.gid), 0);
  std::filesystem::create_hard_link(dir_ / "secret", dir_ / "db/history.db");
  EXPECT_NE(error().find("hard links"), std::string::npos) << error();
  EXPECT_EQ(owner("secret"), 0U);
}

TEST_F(FileOwnership, FollowsNoLink) {
  make("secret");
  ASSERT_EQ(::chown((dir_ / "db").c_str(), user_.uid, user_.gid), 0);
  std::filesystem::create_symlink(dir_ / "secret", dir_ / "db/history.db-wal");
  std::filesystem::create_symlink(dir_ / "secret", dir_ / "ecs.json");
  EXPECT_EQ(error(), "");
  EXPECT_EQ(owner("secret"), 0U);
}

TEST_F(FileOwnership, RefusesADirectoryThatOthersCouldChange) {
  ASSERT_EQ(::chmod((dir_ / "db").c_str(), 0777), 0);
  EXPECT_NE(error().find("chmod go-w " + (dir_ / "db")), std::string::npos);
  ASSERT_EQ(::chmod((dir_ / "db").c_str(), 0750), 0);
  ASSERT_EQ(::chown((dir_ / "db").c_str(), 12345, 0), 0);
  EXPECT_NE(error().find("belongs to uid 12345"), std::string::npos);
}

TEST_F(FileOwnership, LeavesEverythingWhenTheUserIsRoot) {
  make("db/history.db");
  const Status changed = transfer_ownership(config_, Identity{"root", 0, 0});
  EXPECT_TRUE(changed.has_value());
  EXPECT_EQ(owner("db"), 0U);
  EXPECT_EQ(owner("db/history.db"), 0U);
}

}  // namespace
}  // namespace preload
