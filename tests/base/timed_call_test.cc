// SPDX-License-Identifier: Apache-2.0
#include "preload/base/timed_call.h"

#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

namespace preload {
namespace {

// A job that hangs until it is let go.
class Hanging {
 public:
  Hanging() : until_(gate_.get_future().share()) {}
  [[nodiscard]] auto job() const {
    return [until = until_] { until.wait(); };
  }
  void let_go() { gate_.set_value(); }

 private:
  std::promise<void> gate_;
  std::shared_future<void> until_;
};

TEST(TimedCall, RunsJobsInTheirOrderOnOneThread) {
  TimedCall calls("testing");
  std::thread::id first;
  for (int i = 0; i < 1000; ++i) {
    int result = 0;
    std::thread::id thread;
    ASSERT_TRUE(calls.run([&] {
      result = i;
      thread = std::this_thread::get_id();
    }));
    ASSERT_EQ(result, i);
    if (i == 0)
      first = thread;
    ASSERT_EQ(thread, first);
  }
  EXPECT_NE(first, std::this_thread::get_id());
}

TEST(TimedCall, GoesOnWithoutWhatHangs) {
  Hanging hanging;
  TimedCall calls("testing");
  EXPECT_FALSE(calls.run(hanging.job()));
  EXPECT_EQ(calls.lost(), 1U);
  bool ran = false;
  EXPECT_TRUE(calls.run([&] { ran = true; }));
  EXPECT_TRUE(ran);
  hanging.let_go();
  while (calls.lost() > 0)
    std::this_thread::yield();
}

TEST(TimedCall, ManyThatHangAreBoundedInNumber) {
  Hanging hanging;
  TimedCall calls("testing", std::chrono::milliseconds(2));
  for (size_t i = 0; i < TimedCall::kMaxLost; ++i)
    EXPECT_FALSE(calls.run(hanging.job()));
  EXPECT_EQ(calls.lost(), TimedCall::kMaxLost);
  EXPECT_FALSE(calls.run([] { FAIL() << "there is no thread for it"; }));
  hanging.let_go();
  while (calls.lost() > 0)
    std::this_thread::yield();
  // Generous, for a busy machine.
  TimedCall patient("testing", std::chrono::seconds(10));
  EXPECT_TRUE(patient.run([] {}));
}

TEST(TimedCall, AJobThatFailsHasNotRun) {
  TimedCall calls("testing");
  EXPECT_FALSE(calls.run([] { throw std::runtime_error("no"); }));
  EXPECT_TRUE(calls.run([] {}));
  EXPECT_EQ(calls.lost(), 0U);
}

TEST(TimedCall, TheEndWaitsForNothing) {
  Hanging hanging;
  auto held = std::make_shared<int>(1);
  {
    TimedCall calls("testing");
    EXPECT_FALSE(calls.run([job = hanging.job(), held] { job(); }));
  }
  EXPECT_EQ(held.use_count(), 2);  // its thread has it still
  hanging.let_go();
  while (held.use_count() > 1)
    std::this_thread::yield();
}

}  // namespace
}  // namespace preload
