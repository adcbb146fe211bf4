// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/preload_file_watch.h"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "preload/correlate/preload_file.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class PreloadFileWatchTest : public testing::Test {
 protected:
  void write(const std::string& content) { std::ofstream(path_) << content; }
  // The values of the event that the next read makes.
  std::vector<std::string> read(int64_t after_us) {
    clock_.advance_us(after_us);
    watch_.reading(clock_.monotonic_ns());
    const auto event = watch_.take(read_preload_file(path_), clock_);
    event_ = event ? *event : ExecEvent{};
    std::vector<std::string> values;
    for (const EnvVar& entry : event_.env)
      values.push_back(entry.value);
    return values;
  }

  using Values = std::vector<std::string>;
  const TempDir dir_;
  const std::string path_ = dir_ / "ld.so.preload";
  FakeClock clock_;
  PreloadFileWatch watch_;
  ExecEvent event_;
};

TEST_F(PreloadFileWatchTest, GivesWhatHasChangedAndOnceADayWhatHasNot) {
  constexpr int64_t kMinute = 60 * kMicrosPerSecond;
  constexpr int64_t kDayUs = 24 * 60 * kMinute;
  EXPECT_EQ(read(0), Values{});
  write("/lib/a.so /lib/b.so");
  EXPECT_EQ(read(kMinute), (Values{"/lib/a.so", "/lib/b.so"}));
  EXPECT_EQ(event_.origin, Origin::kPreloadFile);
  EXPECT_EQ(read(kMinute), Values{});
  EXPECT_EQ(read(kDayUs - 2 * kMinute), Values{});
  EXPECT_EQ(read(2 * kMinute), (Values{"/lib/a.so", "/lib/b.so"}));
  EXPECT_EQ(read(kMinute), Values{});
  write("/lib/c.so");
  EXPECT_EQ(read(kMinute), Values{"/lib/c.so"});
  write("");
  EXPECT_EQ(read(kMinute), Values{});
  EXPECT_EQ(read(2 * kDayUs), Values{});
}

TEST_F(PreloadFileWatchTest, TellsWhoChangedItButNotOfWhatHasNotChanged) {
  ExecEvent writer;
  writer.pid = 7;
  write("/lib/a.so");
  watch_.fired(std::make_shared<const ExecEvent>(writer),
               clock_.monotonic_ns());
  EXPECT_LE(watch_.due_ns() - clock_.monotonic_ns(), kNanosPerSecond);
  EXPECT_EQ(read(0), Values{"/lib/a.so"});
  EXPECT_EQ(event_.pid, 7);
  EXPECT_EQ(read(25 * 3600 * kMicrosPerSecond), Values{"/lib/a.so"});
  EXPECT_EQ(event_.pid, 0);
}

}  // namespace
}  // namespace preload
