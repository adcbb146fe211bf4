// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/withheld.h"

#include <string>

#include <gtest/gtest.h>

namespace preload {
namespace {

ExecEvent unaudited(uint64_t exec_ns, const std::string& value = "/x.so") {
  ExecEvent event;
  event.origin = Origin::kUnaudited;
  event.exec_ns = exec_ns;
  event.pid = 7;
  event.executable = "/proc/saw";
  event.cwd = "/here";
  event.env = {{"LD_PRELOAD", value}};
  return event;
}

ExecEvent audited(uint64_t exec_ns) {
  ExecEvent event;
  event.exec_ns = exec_ns;
  event.pid = 7;
  event.time_us = 5;
  event.audit.serial = 9;
  event.executable = "/audit/saw";
  return event;
}

TEST(Withheld, GivesTheExecThatAuditCompletesOnce) {
  Withheld withheld;
  withheld.add(unaudited(1));
  EXPECT_FALSE(withheld.take(audited(2)));
  const auto event = withheld.take(audited(1));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->origin, Origin::kExec);
  EXPECT_EQ(event->audit.serial, 9U);
  EXPECT_EQ(event->time_us, 5);
  EXPECT_EQ(event->executable, "/audit/saw");
  EXPECT_EQ(event->cwd, "/here");
  EXPECT_EQ(event->env, (std::vector<EnvVar>{{"LD_PRELOAD", "/x.so"}}));
  EXPECT_FALSE(withheld.take(audited(1)));
}

TEST(Withheld, HoldsTheLatestWithinItsBounds) {
  Withheld withheld;
  for (uint64_t i = 1; i <= 2 * Withheld::kMaxEvents; ++i)
    withheld.add(unaudited(i));
  EXPECT_FALSE(withheld.take(audited(Withheld::kMaxEvents)));
  EXPECT_TRUE(withheld.take(audited(Withheld::kMaxEvents + 1)));
  // One that is larger than the bound is held alone.
  withheld.add(unaudited(1'000'000, std::string(Withheld::kMaxBytes, 'x')));
  EXPECT_FALSE(withheld.take(audited(2 * Withheld::kMaxEvents)));
  EXPECT_TRUE(withheld.take(audited(1'000'000)));
}

}  // namespace
}  // namespace preload
