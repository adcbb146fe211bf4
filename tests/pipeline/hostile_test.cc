// SPDX-License-Identifier: Apache-2.0
// Programs that do not want to be seen, and such as nobody would write: real
// ones, seen by the listeners (audit says nothing here).
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/events.h"
#include "support/plugin_test.h"
#include "support/test_program.h"

namespace preload {
namespace {

class Hostile : public PluginTest {
 protected:
  Hostile() { binary_ = fast_plugin_binary(); }

  void SetUp() override {
    PluginTest::SetUp();
    if (IsSkipped())
      return;
    start_and_wait(
        "capture = auto\naudit_wait = 1s\nmax_alerts = 1000000\n"
        "interval = 1h\n");
    if (content_of(dir_ / "state").find("capture: realtime") ==
        std::string::npos)
      GTEST_SKIP() << "no process connector or no SCHED_FIFO here";
  }

  // Waits until each of these is a value of LD_PRELOAD, byte by byte.
  void expect_values(const std::vector<std::string>& values) {
    std::set<std::string> missing;
    for (const std::string& value : values)
      missing.insert(test::upper_hex(value));
    eventually(15, [&] {
      for (const std::string& known : lines_of(
               query("SELECT hex(coalesce(value_bytes, value)) FROM term")))
        missing.erase(known);
      return missing.empty();
    });
    EXPECT_TRUE(missing.empty())
        << missing.size() << " of " << values.size() << " are missing, "
        << missing.begin()->substr(0, 200);
  }
  [[nodiscard]] std::string values_like(const std::string& pattern) const {
    return query("SELECT count(*) FROM term WHERE value LIKE '" + pattern +
                 "'");
  }
};

TEST_F(Hostile, Environments) {
  const std::string brief = test_program("exit_now");
  std::vector<std::string> expected;
  run({brief}, {"LD_PRELOAD", "=LD_PRELOAD=/no/1", "=", "LD_PRELOADX=/no/2",
                "LD_PRELOA=/no/3", "XLD_PRELOAD=/no/4", " LD_PRELOAD=/no/5",
                "LD_PRELOAD=/among/odd", "LD_PRELOAD =/no/6"});
  expected.emplace_back("/among/odd");
  run({brief}, {"LD_PRELOAD="});
  expected.emplace_back("");

  std::vector<std::string> duplicates;
  for (int i = 0; i < 4000; ++i)
    duplicates.push_back(fmt::format("LD_PRELOAD=/dup/{}", i % 50));
  run({"/bin/sleep", "1"}, duplicates);
  for (int i = 0; i < 50; ++i)
    expected.push_back(fmt::format("/dup/{}", i));

  // As much as a string may have, and as much as all may have together, the
  // watched name last. Such a program must not end at once: see the README.
  rlimit stack{};
  ::getrlimit(RLIMIT_STACK, &stack);
  const rlimit large{rlim_t{64} << 20, stack.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_STACK, &large), 0);
  std::vector<std::string> huge;
  constexpr size_t kString = 131'072;
  for (int i = 0; i < 44; ++i)
    huge.push_back(fmt::format("PAD{:02}=", i) + std::string(kString - 7, 'p'));
  expected.push_back(std::string(kString - 12, 'v'));
  huge.push_back("LD_PRELOAD=" + expected.back());
  EXPECT_TRUE(run({"/bin/sleep", "1"}, huge).good());
  ::setrlimit(RLIMIT_STACK, &stack);

  expect_values(expected);
  EXPECT_EQ(values_like("/no/%"), "0");
}

TEST_F(Hostile, BytesOfAllKinds) {
  std::mt19937 random(12);
  std::vector<std::string> expected;
  const std::string cwd = dir_ / "new preload term: A=\"b\"\nexe=\x1b[2J\xff";
  std::filesystem::create_directory(cwd);
  const std::string copy = cwd + "/id\"\n pid=1";
  std::filesystem::copy_file(test_program("exit_now"), copy);
  for (int i = 0; i < 100; ++i) {
    expected.push_back(hostile_bytes(random, i % 10 == 0 ? 20'000 : 100));
    run({copy, hostile_bytes(random, 100'000), "\nnew preload term: x"},
        {"LD_PRELOAD=" + expected.back()});
  }
  expect_values(expected);
  std::vector<std::string> lines;
  EXPECT_TRUE(eventually(15, [&] {
    lines = log_.with("new preload term: LD_");
    return lines.size() >= 90;  // values may repeat
  })) << lines.size();
  for (const std::string& line : lines) {
    EXPECT_LT(line.size(), 8'000U);
    EXPECT_EQ(line.find_first_of("\n\r\x1b"), std::string::npos);
    std::string plain = line;
    std::replace(plain.begin(), plain.end(), '\\', '/');
    EXPECT_EQ(escaped(plain), plain);  // printable UTF-8
  }
}

TEST_F(Hostile, ManyExecsInARowInOnePid) {
  EXPECT_TRUE(run({test_program("reexec"), "500", "/again/"}).good());
  std::vector<std::string> expected;
  for (int i = 1; i <= 500; ++i)
    expected.push_back(fmt::format("/again/{}", i));
  expect_values(expected);
}

TEST_F(Hostile, HidingPlaces) {
  run({test_program("scrub")}, {"LD_PRELOAD=/hides/scrubbed"});
  EXPECT_TRUE(
      run({test_program("move_env")}, {"LD_PRELOAD=/hides/moved"}).good());
  run({"unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount",
       "--net", "--ipc", "--uts", test_program("exit_now")},
      {"LD_PRELOAD=/hides/namespaces", "PATH=/usr/bin:/bin"});
  const std::string root = dir_ / "root";
  std::filesystem::create_directory(root);
  std::filesystem::copy_file(test_program("exit_now"), root + "/x");
  run({"chroot", root, "/x"},
      {"LD_PRELOAD=/hides/chroot", "PATH=/usr/sbin:/usr/bin:/bin"});
  const std::string deleted = dir_ / "deleted";
  std::filesystem::copy_file(test_program("exit_now"), deleted);
  run({"/bin/sh", "-c",
       "exec 9<\"$1\"; rm \"$1\"; LD_PRELOAD=/hides/deleted /proc/self/fd/9",
       "sh", deleted});
  const std::string unreadable = dir_ / "unreadable";  // so: not dumpable
  std::filesystem::copy_file(test_program("exit_now"), unreadable);
  ::chmod(unreadable.c_str(), 0111);
  ::chmod(dir_.path().c_str(), 0755);
  run({"setpriv", "--reuid", "65534", "--clear-groups", unreadable},
      {"LD_PRELOAD=/hides/not-dumpable", "PATH=/usr/bin:/bin"});
  std::vector<std::string> expected;
  for (const char* where :
       {"scrubbed", "moved", "namespaces", "chroot", "deleted", "not-dumpable"})
    expected.push_back(fmt::format("/hides/{}", where));
  expect_values(expected);
  EXPECT_EQ(values_like("/forged"), "0");
  // Not only by the tools that started them.
  const std::string programs =
      "SELECT count(*) FROM sighting JOIN term USING "
      "(term_id) WHERE value LIKE '/hides/%' AND ";
  EXPECT_TRUE(eventually(
      15,
      [&] {
        return query(programs +
                     "(executable LIKE '%/exit_now' OR executable LIKE "
                     "'%/x' OR executable LIKE '%unreadable' OR "
                     "executable LIKE '%deleted%' OR executable LIKE "
                     "'%/scrub')") == "5";
      }))
      << query(
             "SELECT value, executable FROM sightings WHERE value LIKE "
             "'/hides/%'");
}

}  // namespace
}  // namespace preload
