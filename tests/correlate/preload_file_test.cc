// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/preload_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/run_program.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

std::vector<std::string> names_in(std::string_view content) {
  std::vector<std::string> names;
  for (const EnvVar& entry : preload_file_entries(content)) {
    EXPECT_EQ(entry.name, "ld.so.preload");
    names.push_back(entry.value);
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(PreloadFile, SplitsAtAllSeparators) {
  EXPECT_EQ(names_in("/a.so\n/b.so:/c.so /d.so\t\t/e.so"),
            (Names{"/a.so", "/b.so", "/c.so", "/d.so", "/e.so"}));
  EXPECT_EQ(names_in("/a.so\n"), Names{"/a.so"});
  EXPECT_EQ(names_in(""), Names{});
  EXPECT_EQ(names_in(" :\n\t"), Names{});
  EXPECT_EQ(names_in("/a.so\r\n"), Names{"/a.so\r"});  // glibc takes it so
}

TEST(PreloadFile, SkipsComments) {
  EXPECT_EQ(names_in("# all of it\n/a.so\n"), Names{"/a.so"});
  EXPECT_EQ(names_in("/a.so # rest\n/b.so\n"), (Names{"/a.so", "/b.so"}));
  EXPECT_EQ(names_in("/a.so#"), Names{"/a.so"});
}

TEST(PreloadFile, SeesWhatALongCommentHides) {
  const std::string decoy = "#" + std::string(200, 'x') + "\n";
  EXPECT_EQ(names_in(decoy + "# /evil.so\n"), (Names{"#", "/evil.so"}));
}

TEST(PreloadFile, NulsEndWhatTheyEndForGlibc) {
  using std::string_literals::operator""s;
  EXPECT_EQ(names_in("/a\0b /c\n/d"s), (Names{"/a", "/d"}));
}

TEST(PreloadFile, IsBounded) {
  const std::string large(4 * kMaxPreloadFileBytes, 'x');
  const auto names = names_in(large);
  ASSERT_EQ(names.size(), 1U);
  EXPECT_EQ(names[0].size(), kMaxPreloadFileBytes);
}

// The machine's own ld.so, in a root of its own, names each entry that it
// cannot load, in order.
TEST(PreloadFile, ReadsAsTheRealLoaderDoes) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "needs root for a root directory of its own";
  const TempDir root;
  ::mkdir((root / "etc").c_str(), 0755);
  std::mt19937 random(11);
  size_t seen = 0;
  for (int round = 0; round < 100; ++round) {
    std::string content;
    for (auto n = random() % 12; n > 0; --n) {
      constexpr std::string_view kSpecial = "##\n\n :\t";
      if (random() % 2 == 0)
        content += kSpecial[random() % kSpecial.size()];
      content += random() % 3 == 0 ? "" : "/x/" + std::to_string(random() % 9);
      if (random() % 8 == 0)
        content += std::string(random() % 40, 'y');
    }
    std::ofstream(root / "etc/ld.so.preload") << content;
    const ProgramRun run = run_program({"/bin/true"}, {}, root.path());
    if (run.status == -1)
      GTEST_SKIP() << "cannot make a mount namespace here";
    std::vector<std::string> loaded;
    constexpr std::string_view kBefore = "object '";
    constexpr std::string_view kAfter = "' from /etc/ld.so.preload";
    for (size_t at = run.error_output.find(kBefore); at != std::string::npos;
         at = run.error_output.find(kBefore, at)) {
      at += kBefore.size();
      loaded.push_back(
          run.error_output.substr(at, run.error_output.find(kAfter, at) - at));
    }
    ASSERT_EQ(names_in(content), loaded) << "content: " << content;
    seen += loaded.size();
  }
  EXPECT_GT(seen, 100U);
}

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
