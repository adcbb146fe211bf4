// SPDX-License-Identifier: Apache-2.0
#include "preload/store/recent_map.h"

#include <functional>
#include <random>

#include <gtest/gtest.h>

namespace preload {
namespace {

using Map = RecentMap<int, int, std::hash<int>>;

TEST(RecentMap, KeepsTheLatestHalfAndStaysBounded) {
  Map map(100);
  for (int i = 0; i < 10'000; ++i) {
    map.insert(i, i * 7);
    ASSERT_LE(map.size(), 100U);
    for (int back = 0; back < 40 && back <= i; ++back) {
      if (back % 7 != 0)
        continue;  // looking everything up would keep everything young
      const int* hit = map.find(i - back);
      ASSERT_NE(hit, nullptr) << i << " " << back;
      ASSERT_EQ(*hit, (i - back) * 7);
    }
  }
  EXPECT_EQ(map.find(0), nullptr);
}

TEST(RecentMap, WhatIsAskedForStays) {
  Map map(10);
  map.insert(-1, 42);
  for (int i = 0; i < 1000; ++i) {
    map.insert(i, i);
    ASSERT_NE(map.find(-1), nullptr) << i;
    ASSERT_EQ(*map.find(-1), 42);
  }
}

TEST(RecentMap, AgreesWithAModel) {
  std::mt19937 random(5);
  Map map(64);
  std::unordered_map<int, int> model;
  for (int i = 0; i < 100'000; ++i) {
    const int key = static_cast<int>(random() % 200);
    if (int* hit = map.find(key)) {
      ASSERT_EQ(*hit, model.at(key));
      *hit = model[key] = i;
    } else {
      map.insert(key, i);
      model[key] = i;
    }
  }
  map.clear();
  EXPECT_EQ(map.size(), 0U);
}

}  // namespace
}  // namespace preload
