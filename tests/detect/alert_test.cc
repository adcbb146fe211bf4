// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/alert.h"

#include <random>

#include <gtest/gtest.h>

#include "support/events.h"

namespace preload {
namespace {

TEST(AlertFactsJson, ReturnsEveryBytes) {
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    AlertFacts facts;
    for (size_t n = random() % 4; n > 0; --n) {
      LibraryFact& fact = facts.libraries.emplace_back();
      fact.named = hostile_bytes(random, 40);
      fact.path = hostile_bytes(random, 40);
      fact.mapped = random() % 2 == 0;
      if (random() % 3 != 0)
        fact.exists = random() % 2 == 0;
      fact.writable_by_others = random() % 2 == 0;
      if (fact.exists != true)
        continue;
      fact.owner = static_cast<uint32_t>(random());
      fact.mode = static_cast<uint32_t>(random() % 07777);
      fact.size = UINT64_MAX - random();
      fact.mtime_us = -static_cast<int64_t>(random());
      fact.sha256 = random() % 2 == 0 ? "" : "ab12";
    }
    if (random() % 2 == 0) {
      facts.introducer_pid = static_cast<int32_t>(1 + random() % 9999);
      facts.introducer_executable = hostile_bytes(random, 40);
    }
    const std::string json = to_json(facts);
    const auto back = facts_from_json(json);
    ASSERT_TRUE(back) << json;
    EXPECT_EQ(to_json(*back), json);
    ASSERT_EQ(back->libraries.size(), facts.libraries.size()) << json;
    EXPECT_EQ(back->introducer_pid, facts.introducer_pid);
    EXPECT_EQ(back->introducer_executable, facts.introducer_executable);
    for (size_t i = 0; i < facts.libraries.size(); ++i) {
      const LibraryFact& a = facts.libraries[i];
      const LibraryFact& b = back->libraries[i];
      EXPECT_EQ(a.named, b.named);
      EXPECT_EQ(a.path, b.path);
      EXPECT_EQ(a.exists, b.exists);
      EXPECT_EQ(a.owner, b.owner);
      EXPECT_EQ(a.mode, b.mode);
      EXPECT_EQ(a.size, b.size);
      EXPECT_EQ(a.mtime_us, b.mtime_us);
      EXPECT_EQ(a.sha256, b.sha256);
      EXPECT_EQ(a.writable_by_others, b.writable_by_others);
      EXPECT_EQ(a.mapped, b.mapped);
    }
  }
}

TEST(AlertFactsJson, RefusesWhatIsNotOne) {
  for (const char* json : {"", "[]", "1", "{"})
    EXPECT_FALSE(facts_from_json(json)) << json;
  EXPECT_TRUE(facts_from_json("{}")->libraries.empty());
  EXPECT_TRUE(facts_from_json(R"({"libraries":[1,"x"]})")->libraries.empty());
}

TEST(AlertState, WordsOfTheDatabase) {
  EXPECT_EQ(to_string(AlertState::kQueued), "queued");
  EXPECT_EQ(to_string(AlertState::kDirect), "direct");
  EXPECT_EQ(to_string(AlertState::kCapped), "capped");
}

}  // namespace
}  // namespace preload
