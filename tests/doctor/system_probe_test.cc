// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/system_probe.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <gtest/gtest.h>

#include "fake_probe.h"

namespace preload {
namespace {

class ThisMachine : public testing::Test {
 protected:
  SystemClock clock_;
  SystemProbe machine_ = this_system(clock_);
};

TEST_F(ThisMachine, FindsThisProcess) {
  const auto self = find_process(machine_, ::getpid());
  ASSERT_TRUE(self);
  EXPECT_EQ(self->parent, ::getppid());
  EXPECT_EQ(self->uid, ::geteuid());
  EXPECT_EQ(self->executable,
            std::filesystem::read_symlink("/proc/self/exe").string());
  EXPECT_FALSE(self->deleted);
  ASSERT_FALSE(self->argv.empty());
  EXPECT_FALSE(self->argv[0].empty());
  const int64_t age_us = clock_.wall_us() - self->started_us;
  EXPECT_GT(age_us, -2 * kMicrosPerSecond);
  EXPECT_LT(age_us, 3600 * kMicrosPerSecond);
}

TEST_F(ThisMachine, FindsChildrenButNoZombies) {
  const auto mine = [&] { return children_of(machine_, ::getpid()); };
  const auto is = [](pid_t pid) {
    return [pid](const Process& process) { return process.pid == pid; };
  };
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  auto children = mine();
  EXPECT_EQ(std::count_if(children.begin(), children.end(), is(child)), 1);
  ::kill(child, SIGKILL);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  children = mine();
  EXPECT_EQ(std::count_if(children.begin(), children.end(), is(child)), 0);
  EXPECT_FALSE(find_process(machine_, child));
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(find_process(machine_, child));
}

TEST_F(ThisMachine, RunsCommands) {
  EXPECT_EQ(machine_.run_command({"echo", "a b"}).value(), "a b\n");
  EXPECT_FALSE(machine_.run_command({"false"}));
  const auto missing = machine_.run_command({"no-such-program-here"});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code.value(), ENOENT);
  EXPECT_FALSE(machine_.run_command(
      {"sh", "-c", "dd if=/dev/zero bs=1024 count=200 2>/dev/null"}));
}

TEST_F(ThisMachine, ExaminesAFileSystem) {
  const auto space = machine_.space("/proc");
  ASSERT_TRUE(space);
  EXPECT_FALSE(machine_.space("/no/such/folder"));
}

TEST(SystemProbe, ReadsCommsWithParenthesesAndReplacedPrograms) {
  FakeProbe fake;
  fake.add_process(500, 400, "a) S 7 (b", "/usr/bin/x y (deleted)",
                   std::string("x\0\0-c\0", 6));
  const auto process = find_process(fake.probe, 500);
  ASSERT_TRUE(process);
  EXPECT_EQ(process->comm, "a) S 7 (b");
  EXPECT_EQ(process->parent, 400);
  EXPECT_EQ(process->executable, "/usr/bin/x y");
  EXPECT_TRUE(process->deleted);
  EXPECT_THAT(process->argv, testing::ElementsAre("x", "", "-c", ""));
  EXPECT_EQ(children_of(fake.probe, 400).size(), 1U);
}

TEST(KeyValues, AreReadAsAuditdDoes) {
  const auto pairs =
      key_values("# active = no\n\nActive = yes \n path=/a=b\nnothing\n");
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_EQ(pairs[0].key, "active");
  EXPECT_EQ(pairs[0].value, "yes");
  EXPECT_EQ(pairs[1].key, "path");
  EXPECT_EQ(pairs[1].value, "/a=b");
}

TEST(FindFlaw, NamesOwnerAndMode) {
  const SystemProbe probe;
  struct stat status {};
  status.st_mode = S_IFREG | 0640;
  EXPECT_FALSE(find_flaw(probe, "/x", status));
  status.st_mode = S_IFREG | 0660;
  EXPECT_EQ(find_flaw(probe, "/x", status)->mend, "chmod go-w /x");
  status.st_mode = S_IFREG | 0642;
  EXPECT_NE(find_flaw(probe, "/x", status)->what.find("0642"),
            std::string::npos);
  status.st_mode = S_IFREG | 0640;
  status.st_uid = 33;
  EXPECT_EQ(find_flaw(probe, "/x", status)->mend, "chown root /x");
  EXPECT_FALSE(find_flaw(probe, "/x", status, 33));
  EXPECT_TRUE(find_flaw(probe, "/x", status, 34));
}

}  // namespace
}  // namespace preload
