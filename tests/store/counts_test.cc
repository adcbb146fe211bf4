// SPDX-License-Identifier: Apache-2.0
#include "preload/store/counts.h"

#include <map>

#include <gtest/gtest.h>

namespace preload {
namespace {

// What write() hands over, added up.
std::map<int64_t, Seen> written(Counts<int64_t>& counts) {
  std::map<int64_t, Seen> all;
  EXPECT_TRUE(counts.write([&](int64_t row, const Seen& seen) -> Status {
    all[row].add(seen);
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
  const auto all = written(counts);
  EXPECT_EQ(all.at(1).count, 3);
  EXPECT_EQ(all.at(1).last_seen_us, 100);
  EXPECT_EQ(all.at(2).count, 1);
  counts.commit();
  EXPECT_TRUE(counts.empty());
}

TEST(Counts, ARollbackTakesOnlyItsOwn) {
  Counts<int64_t> counts;
  counts.add(1, {1, 10, 10, 10});
  counts.commit();
  counts.add(1, {1, 20, 20, 20});
  counts.rollback();
  EXPECT_EQ(written(counts).at(1).count, 1);
}

TEST(Counts, WhatARolledBackTransactionWroteIsWrittenAgain) {
  Counts<int64_t> counts;
  counts.add(1, {5, 10, 10, 10});
  counts.commit();
  EXPECT_EQ(written(counts).at(1).count, 5);
  counts.rollback();
  EXPECT_EQ(written(counts).at(1).count, 5);
  EXPECT_TRUE(written(counts).empty()) << "twice in one transaction";
  counts.add(2, {1, 20, 20, 20});
  counts.commit();
  const auto rest = written(counts);
  EXPECT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest.at(2).count, 1);
}

TEST(Counts, AFailureLosesNothing) {
  Counts<int64_t> counts;
  counts.add(1, {1, 10, 10, 10});
  counts.add(2, {1, 10, 10, 10});
  counts.commit();
  int calls = 0;
  EXPECT_FALSE(counts.write([&](int64_t, const Seen&) -> Status {
    return ++calls == 2 ? Status(fail("full")) : Status();
  }));
  counts.rollback();
  EXPECT_EQ(written(counts).size(), 2U);
}

}  // namespace
}  // namespace preload
