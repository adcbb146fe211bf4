// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/inventory.h"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class PreloadFileWatchTest : public testing::Test {
 protected:
  void write(const std::string& content) { std::ofstream(path_) << content; }
  // The values that the next look gives.
  std::vector<std::string> look(int64_t after_us) {
    clock_.advance_us(after_us);
    event_ = watch_.look(clock_).value_or(ExecEvent{});
    std::vector<std::string> values;
    for (const EnvVar& entry : event_.env)
      values.push_back(entry.value);
    return values;
  }

  using Values = std::vector<std::string>;
  const TempDir dir_;
  const std::string path_ = dir_ / "ld.so.preload";
  FakeClock clock_;
  PreloadFileWatch watch_{path_};
  ExecEvent event_;
};

TEST_F(PreloadFileWatchTest, GivesWhatHasChangedAndOnceADayWhatHasNot) {
  constexpr int64_t kMinute = 60 * kMicrosPerSecond;
  constexpr int64_t kDayUs = 24 * 60 * kMinute;
  EXPECT_EQ(look(0), Values{});
  write("/lib/a.so /lib/b.so");
  EXPECT_EQ(look(kMinute), (Values{"/lib/a.so", "/lib/b.so"}));
  EXPECT_EQ(event_.origin, Origin::kPreloadFile);
  EXPECT_EQ(look(kMinute), Values{});
  EXPECT_EQ(look(kDayUs - 2 * kMinute), Values{});
  EXPECT_EQ(look(2 * kMinute), (Values{"/lib/a.so", "/lib/b.so"}));
  EXPECT_EQ(look(kMinute), Values{});
  write("/lib/c.so");
  EXPECT_EQ(look(kMinute), Values{"/lib/c.so"});
  write("");
  EXPECT_EQ(look(kMinute), Values{});
  EXPECT_EQ(look(2 * kDayUs), Values{});
}

TEST_F(PreloadFileWatchTest, TellsWhoChangedItButNotOfWhatHasNotChanged) {
  ExecEvent toucher;
  toucher.pid = 7;
  write("/lib/a.so");
  watch_.fired(toucher, clock_.monotonic_ns());
  EXPECT_EQ(look(0), Values{"/lib/a.so"});
  EXPECT_EQ(event_.pid, 7);
  EXPECT_EQ(look(25 * 3600 * kMicrosPerSecond), Values{"/lib/a.so"});
  EXPECT_EQ(event_.pid, 0);
}

}  // namespace
}  // namespace preload
