// SPDX-License-Identifier: Apache-2.0
// With real processes and files.
#include "preload/enrich/library_facts.h"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "preload/base/digest.h"
#include "preload/procfs/process_dir.h"
#include "support/child_process.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

// Any shared library that this machine has.
std::string some_library() {
  for (const char* name : {"libm.so.6", "libz.so.1", "libgcc_s.so.1"}) {
    void* handle = ::dlopen(name, RTLD_NOW);
    void* symbol = handle == nullptr ? nullptr : ::dlsym(handle, "_fini");
    Dl_info info{};
    if (symbol == nullptr && handle != nullptr)
      symbol = ::dlsym(handle, "sin");
    if (symbol != nullptr && ::dladdr(symbol, &info) != 0)
      return fs::canonical(info.dli_fname);
  }
  return {};
}

ExecEvent event_of(pid_t pid) {
  ExecEvent event;
  event.pid = pid;
  event.uid = ::geteuid();
  event.executable = "/usr/bin/sleep";
  if (const auto process = ProcessDir::open(pid)) {
    event.ppid = process->ppid();
    event.start_ticks = process->start_ticks();
    event.cwd = process->link("cwd");
  }
  return event;
}

AlertFacts facts_of_value(const ExecEvent& event, const std::string& variable,
                          const std::string& value) {
  return find_facts(event, Term{{}, variable, value, {}},
                    steady_clock::now() + std::chrono::seconds(10));
}

class LibraryFactsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::chmod(dir_.path().c_str(), 0755);
    library_ = some_library();
    ASSERT_FALSE(library_.empty());
  }

  // A program with LD_PRELOAD=`value`, in `dir_`; waits until it is at work.
  std::optional<ChildProcess>& start(const std::string& value) {
    child_.emplace(std::vector<std::string>{"/bin/sleep", "600"},
                   std::vector<std::string>{"LD_PRELOAD=" + value},
                   dir_.path());
    const auto until = steady_clock::now() + std::chrono::seconds(10);
    while (steady_clock::now() < until) {
      const auto process = ProcessDir::open(child_->pid());
      if (process &&
          process->read("wchan", 100).value_or("").find("nanosleep") !=
              std::string::npos)
        break;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return child_;
  }
  LibraryFact fact_of(const std::string& value) {
    start(value);
    const AlertFacts facts =
        facts_of_value(event_of(child_->pid()), "LD_PRELOAD", value);
    EXPECT_EQ(facts.libraries.size(), 1U);
    return facts.libraries.empty() ? LibraryFact{} : facts.libraries[0];
  }

  const TempDir dir_;
  std::string library_;
  std::optional<ChildProcess> child_;
};

TEST_F(LibraryFactsTest, TellsAllOfALibraryThatIsMapped) {
  const std::string path = dir_ / "x.so";
  fs::copy_file(library_, path);
  ::chmod(path.c_str(), 0750);
  const LibraryFact fact = fact_of(path);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(fact.named, path);
  EXPECT_EQ(fact.path, fs::canonical(path));
  EXPECT_EQ(fact.exists, true);
  EXPECT_TRUE(fact.mapped);
  EXPECT_EQ(fact.owner, ::geteuid());
  EXPECT_EQ(fact.mode, 0750U);
  EXPECT_EQ(fact.size, static_cast<uint64_t>(status.st_size));
  EXPECT_EQ(fact.mtime_us / 1'000'000, status.st_mtim.tv_sec);
  EXPECT_EQ(fact.sha256, hex(sha256(content_of(path))));
}

TEST_F(LibraryFactsTest, FollowsLinksAndRelativeNames) {
  fs::copy_file(library_, dir_ / "x.so");
  fs::create_symlink("x.so", dir_ / "link.so");
  const LibraryFact fact = fact_of("./link.so");
  EXPECT_EQ(fact.named, "./link.so");
  EXPECT_EQ(fact.path, fs::canonical(dir_ / "x.so"));
  EXPECT_TRUE(fact.mapped);
}

TEST_F(LibraryFactsTest, FindsBareNamesWhereTheLoaderDoes) {
  const std::string name = fs::path(library_).filename();
  const LibraryFact fact = fact_of(name);
  EXPECT_EQ(fact.exists, true);
  EXPECT_TRUE(fact.mapped);
  EXPECT_EQ(fs::path(fact.path).filename(), name);

  fs::copy_file(library_, dir_ / name);
  ExecEvent event = event_of(child_->pid());
  event.env = {{"LD_LIBRARY_PATH", "/nonexistent:" + dir_.path()}};
  const AlertFacts facts = facts_of_value(event, "LD_PRELOAD", name);
  EXPECT_EQ(facts.libraries.at(0).path, fs::canonical(dir_ / name));
  EXPECT_FALSE(facts.libraries.at(0).mapped);
}

TEST_F(LibraryFactsTest, MissingLibrary) {
  const LibraryFact fact = fact_of(dir_ / "missing.so");
  EXPECT_EQ(fact.exists, false);
  EXPECT_EQ(fact.path, "");
  EXPECT_EQ(fact.sha256, "");
  EXPECT_EQ(fact.owner, kUnsetId);
}

TEST_F(LibraryFactsTest, WhatMayExistIsNotSaidToBeMissing) {
  fs::create_symlink("loop.so", dir_ / "loop.so");
  fs::create_symlink("/proc/self/fd", dir_ / "fds");
  fs::create_symlink("/proc/self/fd/99", dir_ / "fd.so");
  start("");
  const ExecEvent event = event_of(child_->pid());
  const auto exists = [&](const std::string& value) {
    return facts_of_value(event, "LD_PRELOAD", value).libraries.at(0).exists;
  };
  for (const char* name :
       {"missing.so", "/$LIB/missing.so", "./loop.so", "./fds/99", "./fd.so",
        "/proc/self/fd/99", "/dev/fd/99"})
    EXPECT_EQ(exists(name), std::nullopt) << name;
  std::ofstream(dir_ / "file") << "no directory";
  for (const char* name : {"./missing.so", "./no/such/directory/x.so",
                           "./file/x.so", "/missing.so"})
    EXPECT_EQ(exists(name), false) << name;
}

TEST_F(LibraryFactsTest, OfAGoneProcessNothingIsSaidToBeMissing) {
  start("");
  const ExecEvent event = event_of(child_->pid());
  child_->stop();
  for (const std::string name : {"./missing.so", "/missing.so"})
    EXPECT_EQ(facts_of_value(event, "LD_PRELOAD", name).libraries.at(0).exists,
              std::nullopt);
}

TEST_F(LibraryFactsTest, BesideADeletedWorkingDirectory) {
  fs::create_directory(dir_ / "gone");
  const ChildProcess child({"/bin/sleep", "600"}, {"A=b"}, dir_ / "gone");
  const ExecEvent event = event_of(child.pid());
  fs::remove(dir_ / "gone");
  fs::copy_file(library_, dir_ / "x.so");
  EXPECT_EQ(
      facts_of_value(event, "LD_PRELOAD", "../x.so").libraries.at(0).exists,
      std::nullopt);
}

TEST_F(LibraryFactsTest, WhoMayWrite) {
  // Below a directory of root's own, so that only what is tested is writable.
  const fs::path base = fs::path("/run") / fs::path(dir_.path()).filename();
  if (::geteuid() != 0 || !fs::create_directories(base / "d"))
    GTEST_SKIP() << "needs root for a directory that only root may write to";
  const std::string path = base / "d/x.so";
  fs::copy_file(library_, path);
  fs::create_symlink(path, base / "link.so");
  const auto writable = [&](const std::string& value) {
    start(value);
    return facts_of_value(event_of(child_->pid()), "LD_PRELOAD", value)
        .libraries.at(0)
        .writable_by_others;
  };
  ::chmod(path.c_str(), 0755);
  EXPECT_FALSE(writable(path));
  EXPECT_FALSE(writable(base / "d/missing.so"));
  ::chmod(path.c_str(), 0757);
  EXPECT_TRUE(writable(path));
  ::chmod(path.c_str(), 0755);
  ASSERT_EQ(::chown(path.c_str(), 12345, 0), 0);
  EXPECT_TRUE(writable(path));
  ASSERT_EQ(::chown(path.c_str(), 0, 0), 0);
  ::chmod((base / "d").c_str(), 01777);
  EXPECT_TRUE(writable(path));
  EXPECT_TRUE(writable(base / "link.so"));  // above what the link points to
  EXPECT_TRUE(writable(base / "d/missing.so"));
  fs::remove_all(base);
}

TEST_F(LibraryFactsTest, NeverReadsWhatIsNoFile) {
  const std::string fifo = dir_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0666), 0);
  start("");
  const AlertFacts facts = facts_of_value(event_of(child_->pid()), "LD_PRELOAD",
                                          fifo + ":/dev/zero:" + dir_.path());
  ASSERT_EQ(facts.libraries.size(), 3U);
  for (const LibraryFact& fact : facts.libraries) {
    EXPECT_EQ(fact.exists, true) << fact.named;
    EXPECT_EQ(fact.sha256, "") << fact.named;
  }
}

TEST_F(LibraryFactsTest, LooksInTheProcessesOwnRoot) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "needs root for a root directory of its own";
  // A static program is not to be had everywhere: bring the loader along.
  const std::string root = dir_ / "root";
  fs::create_directories(root + "/sub/deep");
  const fs::path sleep = fs::canonical("/bin/sleep");
  std::vector<std::string> needed{sleep, "/lib64/ld-linux-x86-64.so.2"};
  Dl_info libc{};
  ASSERT_NE(::dladdr(reinterpret_cast<void*>(&::getpid), &libc), 0);
  needed.emplace_back(libc.dli_fname);
  for (const std::string& file : needed) {
    if (!fs::exists(file))
      GTEST_SKIP() << file << " is not on this machine";
    fs::create_directories(root + fs::path(file).parent_path().string());
    fs::copy_file(file, root + file);
  }
  std::ofstream(root + "/sub/x.so") << "inside";
  std::ofstream(dir_ / "x.so") << "outside";
  fs::create_symlink("/sub/x.so", root + "/sub/absolute.so");
  fs::create_symlink("../../../../x.so", root + "/sub/escape.so");
  const ChildProcess child({sleep, "600"}, {"A=b"}, "/sub/deep", root);
  ASSERT_NE(child.pid(), 0);
  const ExecEvent event = event_of(child.pid());
  const AlertFacts facts = facts_of_value(
      event, "LD_PRELOAD", "/sub/x.so ../absolute.so /sub/escape.so /bin/sh");
  ASSERT_EQ(facts.libraries.size(), 4U);
  const std::string inside = hex(sha256("inside"));
  EXPECT_EQ(facts.libraries[0].path, "/sub/x.so");
  EXPECT_EQ(facts.libraries[0].sha256, inside);
  EXPECT_EQ(facts.libraries[1].path, "/sub/x.so");
  EXPECT_EQ(facts.libraries[1].sha256, inside);
  EXPECT_EQ(facts.libraries[2].path, "");  // a link to nowhere
  EXPECT_EQ(facts.libraries[2].exists, std::nullopt);
  EXPECT_EQ(facts.libraries[3].exists, false);
}

TEST_F(LibraryFactsTest, AGoneProcessesFilesAreItsParents) {
  fs::copy_file(library_, dir_ / "x.so");
  start(dir_ / "x.so");
  ExecEvent event = event_of(child_->pid());
  child_->stop();
  AlertFacts facts = facts_of_value(event, "LD_PRELOAD", "./x.so");
  EXPECT_EQ(facts.libraries.at(0).path, fs::canonical(dir_ / "x.so"));
  EXPECT_FALSE(facts.libraries.at(0).mapped);
  // No parent either: the host's, but never for a container.
  event.ppid = 0;
  EXPECT_EQ(
      facts_of_value(event, "LD_PRELOAD", "./x.so").libraries.at(0).exists,
      true);
  event.container = "c0ffee";
  EXPECT_TRUE(facts_of_value(event, "LD_PRELOAD", "./x.so").libraries.empty());
}

TEST_F(LibraryFactsTest, APidThatIsAnothersNowTellsNothingOfIt) {
  fs::copy_file(library_, dir_ / "x.so");
  start(dir_ / "x.so");
  ExecEvent event = event_of(child_->pid());
  --event.start_ticks;  // an earlier process of the same pid
  const AlertFacts facts = facts_of_value(event, "LD_PRELOAD", dir_ / "x.so");
  EXPECT_EQ(facts.libraries.at(0).exists, true);
  EXPECT_FALSE(facts.libraries.at(0).mapped);
}

TEST_F(LibraryFactsTest, IntroducerIsTheNearestAncestorWithoutTheValue) {
  const std::string value = "/nonexistent/introduced.so";
  // The shell has the value in its environment, and so has what it starts.
  const ChildProcess shell({"/bin/sh", "-c", "sleep 600 & wait"},
                           {"LD_PRELOAD=" + value, "PATH=/usr/bin:/bin"});
  ASSERT_NE(shell.pid(), 0);
  pid_t sleeper = 0;
  const std::string children = "/proc/" + std::to_string(shell.pid()) +
                               "/task/" + std::to_string(shell.pid()) +
                               "/children";
  for (int i = 0; i < 2000 && sleeper == 0; ++i) {
    std::istringstream(content_of(children)) >> sleeper;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_NE(sleeper, 0);
  const ExecEvent event = event_of(sleeper);
  const AlertFacts facts = facts_of_value(event, "LD_PRELOAD", value);
  EXPECT_EQ(facts.introducer_pid, ::getpid());
  EXPECT_EQ(facts.introducer_executable, fs::canonical("/proc/self/exe"));
  const AlertFacts other = facts_of_value(event, "LD_PRELOAD", value + "x");
  EXPECT_EQ(other.introducer_pid, shell.pid());
  ::kill(sleeper, SIGKILL);
}

TEST_F(LibraryFactsTest, APassedDeadlineEndsIt) {
  start(library_);
  const auto begin = steady_clock::now();
  const AlertFacts facts =
      find_facts(event_of(child_->pid()), Term{{}, "LD_PRELOAD", library_, {}},
                 begin - std::chrono::seconds(1));
  EXPECT_TRUE(facts.libraries.empty());
  EXPECT_EQ(facts.introducer_pid, 0);
}

TEST(PreloadFileFacts, AreOfTheHostAndOfNoProcess) {
  ExecEvent event;
  event.origin = Origin::kPreloadFile;
  const std::string library = some_library();
  const AlertFacts facts = facts_of_value(event, "ld.so.preload", library);
  ASSERT_EQ(facts.libraries.size(), 1U);
  EXPECT_EQ(facts.libraries[0].path, library);
  EXPECT_EQ(facts.introducer_pid, 0);
}

}  // namespace
}  // namespace preload
