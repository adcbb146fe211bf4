// SPDX-License-Identifier: Apache-2.0
#include "preload/base/bounded_queue.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace preload {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLong{10'000};

TEST(BoundedQueue, GivesBackAllInOrder) {
  BoundedQueue<int> queue(10, 100);
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(queue.try_push(int{i}, 1));
  EXPECT_EQ(queue.pop_all(milliseconds(0)), (std::vector{0, 1, 2}));
  EXPECT_TRUE(queue.pop_all(milliseconds(0)).empty());
  EXPECT_EQ(queue.high_water(), 3U);
}

TEST(BoundedQueue, RefusesTheEntryTooManyAndLeavesItWhole) {
  BoundedQueue<std::unique_ptr<int>> queue(2, 100);
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(queue.try_push(std::make_unique<int>(i), 1));
  auto third = std::make_unique<int>(2);
  EXPECT_FALSE(queue.try_push(std::move(third), 1));
  ASSERT_NE(third, nullptr);  // NOLINT(bugprone-use-after-move): the contract
  EXPECT_EQ(queue.pop_all(milliseconds(0)).size(), 2U);
  EXPECT_TRUE(queue.try_push(std::move(third), 1));
}

TEST(BoundedQueue, BoundsBytesYetPassesAHeavyItemAlone) {
  BoundedQueue<int> queue(10, 100);
  EXPECT_TRUE(queue.try_push(1, 5000));
  EXPECT_FALSE(queue.try_push(2, 1));
  EXPECT_EQ(queue.pop_all(milliseconds(0)), std::vector{1});
  EXPECT_TRUE(queue.try_push(3, 60));
  EXPECT_FALSE(queue.try_push(4, 41));
  EXPECT_TRUE(queue.try_push(5, 40));
}

TEST(BoundedQueue, LeavesAQuarterOfTheBytesToOtherOwners) {
  BoundedQueue<int> queue(10, 100);
  EXPECT_TRUE(queue.try_push(1, 50, 7));
  EXPECT_FALSE(queue.try_push(2, 26, 7));
  EXPECT_TRUE(queue.try_push(3, 25, 7));
  EXPECT_TRUE(queue.try_push(4, 20, 8));
  EXPECT_TRUE(queue.try_push(5, 5));
  EXPECT_EQ(queue.pop_all(milliseconds(0)), (std::vector{1, 3, 4, 5}));
  // One heavy item passes, and the others have what it leaves.
  EXPECT_TRUE(queue.try_push(6, 80, 7));
  EXPECT_FALSE(queue.try_push(7, 1, 7));
  EXPECT_TRUE(queue.try_push(8, 20, 8));
}

TEST(BoundedQueue, ClosingEndsTheConsumersWait) {
  BoundedQueue<int> queue(1, 1);
  std::thread closer([&] { queue.close(); });
  const auto start = steady_clock::now();
  EXPECT_TRUE(queue.pop_all(kLong).empty());
  EXPECT_LT(steady_clock::now() - start, kLong / 2);
  closer.join();
}

TEST(BoundedQueue, ClosedTakesNothingGivesTheRestAndNeverWaits) {
  BoundedQueue<int> queue(10, 100);
  ASSERT_TRUE(queue.try_push(1, 1));
  queue.close();
  EXPECT_TRUE(queue.closed());
  EXPECT_FALSE(queue.try_push(2, 1));
  EXPECT_EQ(queue.pop_all(kLong), std::vector{1});
  const auto start = steady_clock::now();
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(queue.pop_all(kLong).empty());
  EXPECT_LT(steady_clock::now() - start, kLong / 2);
}

TEST(BoundedQueue, ManyProducersLoseNothingAndKeepTheirOrder) {
  constexpr int kProducers = 4;
  constexpr int kItems = 20'000;
  BoundedQueue<std::pair<int, int>> queue(64, 1 << 20);
  std::vector<std::thread> producers;
  producers.reserve(kProducers);
  for (int p = 0; p < kProducers; ++p)
    producers.emplace_back([&queue, p] {
      for (int i = 0; i < kItems; ++i)
        while (!queue.try_push({p, i}, 8))
          std::this_thread::yield();
    });
  std::vector<int> next(kProducers, 0);
  int received = 0;
  while (received < kProducers * kItems) {
    for (const auto& [producer, item] : queue.pop_all(kLong)) {
      ASSERT_EQ(item, next[static_cast<size_t>(producer)]++);
      ++received;
    }
  }
  for (std::thread& producer : producers)
    producer.join();
  EXPECT_LE(queue.high_water(), 64U);
}

}  // namespace
}  // namespace preload
