// SPDX-License-Identifier: Apache-2.0
// The bounds of what waits, and of what is remembered.
#include <string>
#include <vector>

#include "correlate/correlator_fixture.h"

namespace preload {
namespace {

TEST_F(CorrelatorTest, MemoryIsBoundedWhenAuditIsSilent) {
  for (int i = 0; i < 300'000; ++i) {
    notice(i, "");
    if (i % 1000 == 0)
      advance();
  }
  advance();
  EXPECT_LE(correlator_.pending(), WaitingExecs::kMaxWaiting);
  EXPECT_LE(correlator_.remembered(), WaitingExecs::kMaxRemembered);
  pass(6'000'000);
  EXPECT_EQ(correlator_.pending(), 0U);
  EXPECT_GT(correlator_.remembered(), 0U);
  pass(70'000'000);
  EXPECT_EQ(correlator_.remembered(), 0U);
  EXPECT_EQ(coverage(), sums(0, 0, 300'000));
}

TEST_F(CorrelatorTest, OneExecTooManySettlesOne) {
  const auto count = static_cast<int32_t>(WaitingExecs::kMaxWaiting) + 1;
  for (int32_t pid = 1; pid <= count; ++pid)
    notice(pid, "");
  advance();
  EXPECT_EQ(coverage(), sums(0, 0, 1));
  // Audit tells of all of them, in time.
  for (int32_t pid = 1; pid <= count; ++pid)
    record(pid);
  EXPECT_EQ(coverage(), sums(count, 0, -1));
}

// Snapshots of 64 KiB each, with as many as fit twice into the bound.
TEST_F(CorrelatorTest, SnapshotsThatWaitAreBoundedInBytes) {
  const size_t fit = WaitingExecs::kMaxBytes >> 16;
  for (size_t i = 0; i < 2 * fit; ++i)
    notice(static_cast<int32_t>(i) + 1, std::string(size_t{1} << 16, 'v'));
  advance();
  EXPECT_LE(correlator_.pending(), fit);
  EXPECT_GT(correlator_.pending(), fit - 10);
  EXPECT_EQ(out_.execs.size() + correlator_.pending(), 2 * fit);
  EXPECT_EQ(out_.execs[0].pid, 1) << "the oldest goes first";
}

TEST_F(CorrelatorTest, SnapshotsWhoseRecordsComeSlowlyAreBoundedInBytes) {
  const size_t fit = Correlator::kMaxAuditedBytes >> 16;
  for (size_t i = 0; i < 2 * fit; ++i) {
    const auto pid = static_cast<int32_t>(i) + 1;
    notice(pid, std::string(size_t{1} << 16, 'v'));
    record(pid);
  }
  EXPECT_LE(correlator_.pending(), fit);
  EXPECT_GT(correlator_.pending(), fit - 10);
  end_events();
  EXPECT_EQ(out_.execs.size(), 2 * fit) << "each is told";
  EXPECT_EQ(coverage(), sums(static_cast<int64_t>(2 * fit), 0, 0));
  EXPECT_EQ(correlator_.pending(), 0U);
}

TEST_F(CorrelatorTest, WhatWasGivenIsNotKept) {
  notice(7, "v");
  advance();
  pass(5'000'000);
  ASSERT_EQ(out_.execs.size(), 1U);
  EXPECT_EQ(correlator_.pending(), 0U);
  EXPECT_EQ(correlator_.remembered(), 1U);
  record(7, "/bin/x", 5'000'000);
  EXPECT_EQ(correlator_.remembered(), 0U);
}

}  // namespace
}  // namespace preload
