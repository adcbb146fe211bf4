// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/exec_event.h"

#include <gtest/gtest.h>

#include "support/events.h"

namespace preload {
namespace {

TEST(ExecEvent, WeighsWhatItHolds) {
  ExecEvent event = exec_event("x");
  const size_t before = weight(event);
  event.env.push_back({"LD_AUDIT", std::string(1000, 'a')});
  event.argv.emplace_back(500, 'b');
  EXPECT_GE(weight(event), before + 1500);
  EXPECT_LT(weight(event), before + 2000);
}

TEST(ExecEvent, WordsOfTheDatabase) {
  EXPECT_EQ(to_string(Capture::kLate), "late");
  EXPECT_EQ(to_string(Origin::kLoaderOption), "ld.so-option");
  EXPECT_EQ(to_string(Origin::kPreloadFile), "ld.so.preload");
  EXPECT_EQ(to_string(MissReason::kUnreadable), "unreadable");
}

}  // namespace
}  // namespace preload
