// SPDX-License-Identifier: Apache-2.0
#include "preload/store/recovery.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Recovery, ADamagedDatabaseIsMovedAsideAndANewOneBegun) {
  const TempDir dir;
  const FakeClock clock;
  const std::string path = dir / "history.db";
  {
    const auto opened = open_or_begin_anew(path, clock);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    EXPECT_EQ(opened->moved_to, "");
    EXPECT_TRUE(opened->store->created());
  }
  // Our own file, with its tables overwritten.
  std::string damaged = content(path);
  ASSERT_GT(damaged.size(), 8192U);
  for (size_t i = 100; i < damaged.size(); ++i)
    damaged[i] = 'x';
  std::ofstream(path, std::ios::binary) << damaged;
  const auto opened = open_or_begin_anew(path, clock);
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  EXPECT_EQ(opened->moved_to, path + ".damaged-20261124T014759Z");
  EXPECT_TRUE(opened->store->created());
  EXPECT_EQ(content(opened->moved_to), damaged);
}

TEST(Recovery, WhatIsNotOursStaysWhereItIs) {
  const TempDir dir;
  const FakeClock clock;
  const std::string path = dir / "history.db";
  std::ofstream(path) << "a letter to somebody";
  EXPECT_FALSE(open_or_begin_anew(path, clock).has_value());
  EXPECT_EQ(content(path), "a letter to somebody");
}

}  // namespace
}  // namespace preload
