// SPDX-License-Identifier: Apache-2.0
// A damaged database is moved aside; see open_or_recreate().

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "preload/store/store.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Overwrites the tables of our own file; gives what is in it then.
std::string damage(const std::string& path, char with) {
  std::string bytes = content(path);
  EXPECT_GT(bytes.size(), 8192U);
  for (size_t i = 100; i < bytes.size(); ++i)
    bytes[i] = with;
  std::ofstream(path, std::ios::binary) << bytes;
  return bytes;
}

TEST(Recovery, ADamagedDatabaseIsMovedAsideAndANewOneCreated) {
  const TempDir dir;
  const FakeClock clock;
  const std::string path = dir / "history.db";
  {
    const auto opened = open_or_recreate(path, clock);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    EXPECT_EQ(opened->moved_to, "");
  }
  const std::string damaged = damage(path, 'x');
  const auto opened = open_or_recreate(path, clock);
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  EXPECT_EQ(opened->moved_to, path + ".damaged-20261124T014759Z");
  EXPECT_EQ(content(opened->moved_to), damaged);
}

TEST(Recovery, ASecondDamageInTheSameSecondLeavesTheFirstCopy) {
  const TempDir dir;
  const FakeClock clock;
  const std::string path = dir / "history.db";
  ASSERT_TRUE(open_or_recreate(path, clock).has_value());
  std::vector<std::string> damaged;
  std::vector<std::string> moved_to;
  for (const char with : {'x', 'y', 'z'}) {
    damaged.push_back(damage(path, with));
    const auto opened = open_or_recreate(path, clock);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    moved_to.push_back(opened->moved_to);
  }
  for (size_t i = 0; i < damaged.size(); ++i)
    EXPECT_TRUE(content(moved_to[i]) == damaged[i]) << moved_to[i];
  EXPECT_EQ(moved_to[2], path + ".damaged-20261124T014759Z-3");
}

TEST(Recovery, WhatIsNotOursStaysWhereItIs) {
  const TempDir dir;
  const FakeClock clock;
  const std::string path = dir / "history.db";
  std::ofstream(path) << "a letter to somebody";
  EXPECT_FALSE(open_or_recreate(path, clock).has_value());
  EXPECT_EQ(content(path), "a letter to somebody");
}

}  // namespace
}  // namespace preload
