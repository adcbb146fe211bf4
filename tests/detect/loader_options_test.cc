// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/loader_options.h"

#include <unistd.h>

#include <algorithm>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "support/run_program.h"

namespace preload {
namespace {

constexpr const char* kGlibc = "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";

std::vector<EnvVar> options(const std::string& executable,
                            std::vector<std::string> argv,
                            std::optional<bool> no_interpreter = true) {
  ExecEvent event;
  event.executable = executable;
  event.argv = std::move(argv);
  event.no_interpreter = no_interpreter;
  const auto result =
      loader_event(event, [](std::string_view) { return true; });
  return result ? result->env : std::vector<EnvVar>();
}

using Vars = std::vector<EnvVar>;

TEST(LoaderOptions, AreTheVariablesTheyStandFor) {
  EXPECT_EQ(options(kGlibc,
                    {"ld.so", "--preload", "/a.so:/b.so", "--library-path",
                     "/opt", "--audit", "/c.so", "/bin/id", "--preload", "no"}),
            (Vars{{"LD_PRELOAD", "/a.so:/b.so"},
                  {"LD_LIBRARY_PATH", "/opt"},
                  {"LD_AUDIT", "/c.so"}}));
  EXPECT_EQ(options(kGlibc, {"ld.so", "--argv0", "--preload", "--inhibit-cache",
                             "--preload", "/a.so", "id"}),
            (Vars{{"LD_PRELOAD", "/a.so"}}));
}

TEST(LoaderOptions, TakeMuslsFormToo) {
  EXPECT_EQ(options("/lib/ld-musl-x86_64.so.1",
                    {"ld", "--preload=/a.so", "--library-path=", "--argv0=x",
                     "--", "--preload=/no"}),
            (Vars{{"LD_PRELOAD", "/a.so"}, {"LD_LIBRARY_PATH", ""}}));
}

TEST(LoaderOptions, AllOccurrencesAndWhatUnknownOptionsPrecede) {
  EXPECT_EQ(options(kGlibc, {"ld.so", "--preload", "/a.so", "--new-option",
                             "--preload", "/b.so", "id"}),
            (Vars{{"LD_PRELOAD", "/a.so"}, {"LD_PRELOAD", "/b.so"}}));
  EXPECT_EQ(options(kGlibc, {"ld.so", "--audit", "/a.so", "--preload"}),
            (Vars{{"LD_AUDIT", "/a.so"}}));
}

TEST(LoaderOptions, OfLoadersByName) {
  const std::vector<std::string> argv{"x", "--preload", "/a.so", "--odd", "id"};
  for (const char* name :
       {"/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-2.31.so",
        "/lib/ld-musl-aarch64.so.1", "/lib64/ld64.so.2", "/lib/ld.so.1",
        "/usr/lib/x86_64-linux-musl/libc.so", "/tmp/ld-linux.so.2 (deleted)"}) {
    EXPECT_EQ(options(name, argv).size(), 1U) << name;
    EXPECT_EQ(options(name, argv, std::nullopt).size(), 1U) << name;
    EXPECT_TRUE(options(name, argv, false).empty()) << "has an interpreter";
  }
  for (const char* name : {"/usr/bin/ld", "/usr/bin/gold-so", "/bin/ldd", ""})
    EXPECT_TRUE(options(name, argv).empty()) << name;
}

TEST(LoaderOptions, OfACopyUnderAnotherName) {
  const std::vector<std::string> argv{"x", "--preload", "/a.so", "id"};
  EXPECT_EQ(options("/tmp/harmless", argv, true).size(), 1U);
  EXPECT_TRUE(options("/tmp/harmless", argv, false).empty());
  EXPECT_TRUE(options("/tmp/harmless", argv, std::nullopt).empty());
  // A static program with options of its own is not one.
  EXPECT_TRUE(
      options("/bin/s", {"s", "--audit", "on", "--port", "1", "x"}, true)
          .empty());
  EXPECT_TRUE(options("/bin/s", {"s", "--preload", "x"}, true).empty());
}

TEST(LoaderOptions, EventHasTheWatchedOnesAlone) {
  ExecEvent event;
  event.executable = kGlibc;
  event.env = {{"LD_LIBRARY_PATH", "/env"}};
  event.pid = 42;
  event.argv = {"ld.so", "--preload", "/a.so", "--audit", "/c.so", "id"};
  const auto watched = [](std::string_view name) {
    return name == "LD_PRELOAD";
  };
  const auto result = loader_event(event, watched);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->origin, Origin::kLoaderOption);
  EXPECT_EQ(result->env, (Vars{{"LD_PRELOAD", "/a.so"}}));
  EXPECT_EQ(result->pid, 42);
  EXPECT_FALSE(loader_event(event, [](std::string_view) { return false; }));
}

TEST(LoaderOptions, StandsAnyArguments) {
  std::mt19937 random(9);
  const std::vector<std::string> parts{
      "--preload", "--preload=",    "--", "-", "", "x", "--audit",
      "--argv0",   "--preload=\xff"};
  for (int round = 0; round < 50'000; ++round) {
    std::vector<std::string> argv;
    for (auto n = random() % 6; n > 0; --n)
      argv.push_back(parts[random() % parts.size()]);
    const size_t most = argv.size();
    ASSERT_LE(options(kGlibc, std::move(argv)).size(), most);
  }
}

// The machine's own loader complains about each object that it was told to
// preload or to audit with: wherever it names one, so must we.
TEST(LoaderOptions, MissNothingThatTheRealLoaderObeys) {
  const std::string loader = "/lib64/ld-linux-x86-64.so.2";
  if (::access(loader.c_str(), X_OK) != 0)
    GTEST_SKIP() << loader << " is not on this machine";
  std::mt19937 random(10);
  const std::vector<std::string> parts{
      "--preload", "--audit", "--library-path", "--argv0",  "--inhibit-cache",
      "--list",    "--",      "--odd",          "/bin/true"};
  int obeyed = 0;
  for (int round = 0; round < 80; ++round) {
    std::vector<std::string> argv{loader};
    std::vector<std::string> names;
    for (auto n = random() % 7; n > 0; --n) {
      argv.push_back(parts[random() % parts.size()]);
      if (argv.back() == "--preload" || argv.back() == "--audit") {
        names.push_back("/nonexistent/" + std::to_string(names.size()) + ".");
        argv.push_back(names.back());
      }
    }
    argv.emplace_back("/bin/true");
    const ProgramRun run = run_program(argv, {});
    ASSERT_NE(run.status, -1);
    const Vars found = options(loader, argv);
    for (const std::string& name : names) {
      if (run.error_output.find("object '" + name + "'") == std::string::npos)
        continue;
      ++obeyed;
      EXPECT_TRUE(
          std::any_of(found.begin(), found.end(),
                      [&](const EnvVar& var) { return var.value == name; }))
          << name << " in " << ::testing::PrintToString(argv);
    }
  }
  EXPECT_GT(obeyed, 10);
}

}  // namespace
}  // namespace preload
