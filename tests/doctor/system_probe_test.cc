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

class ThisSystem : public testing::Test {
 protected:
  SystemClock clock_;
  SystemProbe probe_ = this_system(clock_);
};

TEST_F(ThisSystem, FindsThisProcess) {
  const auto self = find_process(probe_, ::getpid());
  ASSERT_TRUE(self);
  EXPECT_EQ(self->parent, ::getppid());
  EXPECT_EQ(self->executable,
            std::filesystem::read_symlink("/proc/self/exe").string());
  EXPECT_FALSE(self->deleted);
  ASSERT_FALSE(self->argv.empty());
  EXPECT_FALSE(self->argv[0].empty());
}

TEST_F(ThisSystem, FindsChildrenButNoZombies) {
  const auto mine = [&] { return children_of(probe_, ::getpid()); };
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
  EXPECT_FALSE(find_process(probe_, child));
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(find_process(probe_, child));
}

TEST_F(ThisSystem, ExaminesAFileSystem) {
  const auto space = probe_.space("/proc");
  ASSERT_TRUE(space);
  EXPECT_FALSE(probe_.space("/no/such/folder"));
}

TEST(SystemProbe, ReadsOddCommsAndReplacedPrograms) {
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
  const KeyValues values = key_values(
      "# active = no\n\nactive = no\nActive = yes \n path=/a=b\nnothing\n",
      '=');
  EXPECT_THAT(values, testing::ElementsAre(testing::Pair("active", "yes"),
                                           testing::Pair("path", "/a=b")));
  EXPECT_THAT(key_values("Name:\ta:b\n", ':'),
              testing::ElementsAre(testing::Pair("name", "a:b")));
}

TEST(FindFlaw, NamesOwnerAndMode) {
  const SystemProbe probe;
  struct stat status {};
  status.st_mode = S_IFREG | 0640;
  EXPECT_FALSE(find_flaw(probe, "/x", status));
  status.st_mode = S_IFREG | 0660;
  EXPECT_EQ(find_flaw(probe, "/x", status)->remedy, "chmod go-w /x");
  status.st_mode = S_IFREG | 0642;
  EXPECT_NE(find_flaw(probe, "/x", status)->what.find("0642"),
            std::string::npos);
  status.st_mode = S_IFREG | 0640;
  status.st_uid = 33;
  EXPECT_EQ(find_flaw(probe, "/x", status)->remedy, "chown root /x");
  EXPECT_FALSE(find_flaw(probe, "/x", status, 33));
  EXPECT_TRUE(find_flaw(probe, "/x", status, 34));
}

}  // namespace
}  // namespace preload
