// SPDX-License-Identifier: Apache-2.0
#include "preload/store/counts.h"

#include <map>

#include <gtest/gtest.h>

namespace preload {
namespace {

// What write() gives, by key.
std::map<int64_t, Seen> written(const Counts<int64_t>& counts) {
  std::map<int64_t, Seen> all;
  EXPECT_TRUE(counts.write([&](int64_t row, const Seen& seen) -> Status {
    all[row] = seen;
    return {};
  }));
  return all;
}

TEST(Counts, AddsUp) {
  Counts<int64_t> counts;
  counts.add(1, {1, 100, 100, 100});
  counts.add(1, {1, 90, 90, kNever});
  counts.add(2, {1, 50, 50, kNever});
  counts.commit();
  counts.add(1, {1, 80, 80, 80});
  EXPECT_EQ(counts.last_counted_us(1), 100);
  EXPECT_EQ(counts.last_counted_us(2), kNever);
  counts.commit();
  const auto all = written(counts);
  EXPECT_EQ(all.at(1).count, 3);
  EXPECT_EQ(all.at(1).first_seen_us, 100);
  EXPECT_EQ(all.at(1).last_seen_us, 100);
  EXPECT_EQ(all.at(2).count, 1);
  counts.clear();
  EXPECT_EQ(counts.size(), 0U);
}

TEST(Counts, ARollbackTakesOnlyItsOwn) {
  Counts<int64_t> counts;
  counts.add(1, {1, 10, 10, 10});
  counts.commit();
  counts.add(1, {1, 20, 20, 20});
  EXPECT_EQ(counts.last_counted_us(1), 20);
  counts.rollback();
  EXPECT_EQ(counts.last_counted_us(1), 10);
  EXPECT_EQ(written(counts).at(1).count, 1);
}

TEST(Counts, WhatIsWrittenStaysUntilItIsCleared) {
  Counts<int64_t> counts;
  counts.add(2, {1, 10, 10, 10});
  counts.add(1, {5, 10, 10, 10});
  counts.commit();
  std::vector<int64_t> order;
  EXPECT_FALSE(counts.write([&](int64_t row, const Seen&) -> Status {
    order.push_back(row);
    return row == 2 ? Status(fail("full")) : Status();
  }));
  EXPECT_EQ(order, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(written(counts).size(), 2U);
}

}  // namespace
}  // namespace preload
