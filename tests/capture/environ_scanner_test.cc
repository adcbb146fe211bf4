// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/environ_scanner.h"

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace preload {
namespace {

constexpr size_t kSpace = size_t{1} << 20;

struct Scan {
  std::vector<EnvVar> env;
  bool truncated = false;
  uint64_t pairs = 0;
};

// Scans `block` in pieces of `piece` bytes.
Scan scan(const std::vector<std::string>& names, std::string_view block,
          size_t piece, size_t space = kSpace) {
  const WatchList watched(names);
  std::vector<std::byte> memory(space);
  SnapshotWriter out(memory);
  EnvironScanner scanner(watched, out);
  for (size_t i = 0; i < block.size(); i += piece)
    scanner.feed(block.substr(i, piece));
  scanner.finish();
  const size_t length = out.finish(SnapshotKind::kWatched, 1, 2);
  const ExecSnapshot snapshot =
      *parse_notice(std::span(memory).first(length))->snapshot;
  return {snapshot.env, snapshot.env_truncated, scanner.pairs()};
}

using std::string_literals::operator""s;

TEST(EnvironScanner, FindsWatchedStringsWhereverThePiecesEnd) {
  const std::string block =
      "PATH=/bin\0LD_PRELOAD=/tmp/x.so\0LD_PRELOADX=no\0XLD_PRELOAD=no\0"
      "LD_LIBRARY_PATH=\0noise\0\0LD_PRELOAD=a=b\0LD_PRELOAD\0"s;
  const std::vector<EnvVar> expected{{"LD_PRELOAD", "/tmp/x.so"},
                                     {"LD_LIBRARY_PATH", ""},
                                     {"LD_PRELOAD", "a=b"}};
  for (size_t piece = 1; piece <= block.size(); ++piece) {
    const Scan found = scan({"LD_PRELOAD", "LD_LIBRARY_PATH"}, block, piece);
    ASSERT_EQ(found.env, expected) << piece;
    ASSERT_EQ(found.pairs, 6U) << piece;
    ASSERT_FALSE(found.truncated);
  }
}

TEST(EnvironScanner, StarMatchesTheRestOfTheName) {
  const Scan found = scan({"LD_*"}, "LD_=1\0LD_X=2\0LDX=3\0L=4\0"s, 5);
  EXPECT_EQ(found.env, (std::vector<EnvVar>{{"LD_", "1"}, {"LD_X", "2"}}));
}

TEST(EnvironScanner, LastStringMayLackItsNul) {
  EXPECT_EQ(scan({"A"}, "A=unfinished", 4).env,
            (std::vector<EnvVar>{{"A", "unfinished"}}));
  EXPECT_TRUE(scan({"A"}, "A", 4).env.empty());
}

TEST(EnvironScanner, ValueOfTheKernelsLimitAtTheEndOfSixMebibytes) {
  std::string block;
  while (block.size() < (size_t{6} << 20))
    block += "PAD=" + std::string(997, 'x') + '\0';
  const std::string value(131'072 - 12, 'v');
  block += "LD_PRELOAD=" + value + '\0';
  const Scan found = scan({"LD_PRELOAD"}, block, 64 * 1024);
  ASSERT_EQ(found.env.size(), 1U);
  EXPECT_EQ(found.env[0].value, value);
}

TEST(EnvironScanner, WhatDoesNotFitIsSaidToBeTruncated) {
  std::string block;
  for (int i = 0; i < 100; ++i)
    block += "A=" + std::to_string(i) + std::string(100, 'x') + '\0';
  const Scan found = scan({"A"}, block, 4096, 2000);
  EXPECT_TRUE(found.truncated);
  ASSERT_GT(found.env.size(), 10U);
  EXPECT_EQ(found.env[10].value.substr(0, 3), "10x");
}

TEST(EnvironScanner, AFloodOfTheSameStringsLeavesRoomForOthers) {
  std::string block;
  for (int i = 0; i < 50'000; ++i)
    block += i % 2 == 0 ? "A=known\0"s : "A=" + std::string(900, 'k') + '\0';
  block += "A=new\0"s;
  for (const size_t piece : {size_t{1000}, block.size()}) {
    const Scan found = scan({"A"}, block, piece, 4 * EnvironScanner::kKeepAll);
    EXPECT_FALSE(found.truncated);
    EXPECT_EQ(found.env.back().value, "new");
    EXPECT_EQ(found.pairs, 50'001U);
  }
}

TEST(EnvironScanner, UsualEnvironmentsKeepAllDuplicates) {
  std::string block;
  for (int i = 0; i < 1000; ++i)
    block += "A=same\0"s;
  EXPECT_EQ(scan({"A"}, block, 64).env.size(), 1000U);
}

TEST(EnvironScanner, ACutStringLeavesNothingBehind) {
  const WatchList watched(std::vector<std::string>{"A"});
  // What was there before must not count as the length of the string.
  for (const int before : {0, 1}) {
    std::vector<std::byte> memory(kSpace, std::byte(before));
    SnapshotWriter out(memory);
    EnvironScanner scanner(watched, out);
    scanner.feed("A=1\0A=cut sho"s);
    scanner.cut();
    out.begin(Section::kExe);
    out.append("/bin/x");
    out.end();
    const size_t length = out.finish(SnapshotKind::kWatched, 1, 2);
    const ExecSnapshot snapshot =
        *parse_notice(std::span(memory).first(length))->snapshot;
    EXPECT_EQ(snapshot.env, (std::vector<EnvVar>{{"A", "1"}}));
    EXPECT_EQ(snapshot.executable, "/bin/x");
    EXPECT_TRUE(snapshot.env_truncated);
  }
}

TEST(EnvironScanner, AnOverwrittenBlockHasNoPairs) {
  EXPECT_EQ(scan({"A"}, std::string(500, '\0'), 64).pairs, 0U);
  EXPECT_EQ(scan({"A"}, std::string(500, 'x'), 64).pairs, 0U);
}

// The obvious implementation, on the whole block at once.
std::vector<EnvVar> by_hand(std::string_view block) {
  std::vector<EnvVar> env;
  while (!block.empty()) {
    const std::string_view one = block.substr(0, block.find('\0'));
    block.remove_prefix(std::min(one.size() + 1, block.size()));
    const size_t equals = one.find('=', 1);
    if (equals == std::string_view::npos)
      continue;
    const std::string_view name = one.substr(0, equals);
    if (name == "AB" || name.starts_with("B"))
      env.push_back({std::string(name), std::string(one.substr(equals + 1))});
  }
  return env;
}

TEST(EnvironScanner, AgreesWithTheObviousWayOnRandomBlocks) {
  std::mt19937 random(11);
  for (int round = 0; round < 20'000; ++round) {
    std::string block(random() % 60, '\0');
    for (char& c : block)
      c = "AB=\0x"[random() % 5];
    const size_t piece = 1 + random() % 20;
    ASSERT_EQ(scan({"AB", "B*"}, block, piece).env, by_hand(block))
        << testing::PrintToString(block) << " in pieces of " << piece;
  }
}

}  // namespace
}  // namespace preload
