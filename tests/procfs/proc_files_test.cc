// SPDX-License-Identifier: Apache-2.0
#include "preload/procfs/proc_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "preload/base/fd.h"

namespace preload {
namespace {

using std::string_literals::operator""s;

TEST(ProcParsers, StatWhateverTheNameOfTheProgram) {
  const ProcessStat stat = parse_stat(
      "77 (a) S 9 (c)) S 70 77 70 -34817 77 4194304 1 0 0 0 0 0 0 0 20 0 1 0 "
      "123456 10 20 1 1 1 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 1 1 1 1 1000 "
      "1064 0\n");
  EXPECT_TRUE(stat.valid);
  EXPECT_EQ(stat.ppid, 70);
  EXPECT_EQ(stat.tty_nr, -34817);
  EXPECT_EQ(stat.start_ticks, 123456U);
  EXPECT_EQ(stat.environ_bytes, 64U);
}

TEST(ProcParsers, StatOfAZombieOrCutAnywhere) {
  const std::string zombie =
      "7 (x) Z 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 55 0 0 1 0 0 0 0 0 0 0 0 "
      "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
  EXPECT_EQ(parse_stat(zombie).start_ticks, 55U);
  EXPECT_FALSE(parse_stat(zombie).environ_bytes);
  const size_t start = zombie.find(" 55 ");
  for (size_t cut = 0; cut <= start; ++cut)
    EXPECT_FALSE(parse_stat(zombie.substr(0, cut)).valid) << cut;
}

TEST(ProcParsers, OwnFilesOfProc) {
  const Fd proc = open_file(AT_FDCWD, "/proc/self");
  std::array<char, 4096> room;
  EXPECT_EQ(parse_stat(read_file(proc.get(), "stat", room)).ppid, ::getppid());
  const ProcessIds ids =
      parse_status_ids(read_file(proc.get(), "status", room));
  EXPECT_EQ(ids.uid, ::getuid());
  EXPECT_EQ(ids.euid, ::geteuid());
  EXPECT_EQ(ids.gid, ::getgid());
  EXPECT_EQ(ids.egid, ::getegid());
  const Auxv auxv = parse_auxv(read_file(proc.get(), "auxv", room));
  EXPECT_EQ(auxv.secure, false);
  EXPECT_TRUE(auxv.no_interpreter);
  EXPECT_TRUE(read_link(proc.get(), "exe", room).ends_with("unit_test"));
  EXPECT_EQ(read_link(proc.get(), "none", room), "");
  EXPECT_EQ(read_file(proc.get(), "none", room), "");
}

TEST(ProcParsers, MapsGivesTheLinesWithAFile) {
  std::string_view maps =
      "55d0-55d1 r-xp 00000000 fe:1a 4711                       /bin/a b\n"
      "7f00-7f01 rw-p 00000000 00:00 0 \n"
      "7f02-7f03 rw-p 00000000 00:00 0                          [stack]\n"
      "7f04-7f05 r--p 00001000 103:02 12 /x (deleted)";
  const auto first = next_mapping(maps);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->device_major, 0xfeU);
  EXPECT_EQ(first->device_minor, 0x1aU);
  EXPECT_EQ(first->inode, 4711U);
  EXPECT_EQ(first->path, "/bin/a b");
  const auto second = next_mapping(maps);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->device_major, 0x103U);
  EXPECT_EQ(second->path, "/x (deleted)");
  EXPECT_FALSE(next_mapping(maps));
}

TEST(ProcParsers, StringsAndPairs) {
  const std::string block = "A=1\0\0B=x=y\0last"s;
  std::string_view rest = block;
  std::vector<std::string> strings;
  while (!rest.empty())
    strings.emplace_back(next_string(rest));
  EXPECT_EQ(strings, (std::vector<std::string>{"A=1", "", "B=x=y", "last"}));
}

TEST(ProcParsers, CgroupAndIds) {
  EXPECT_EQ(parse_cgroup("12:pids:/old\n0::/user.slice/x\n"), "/user.slice/x");
  EXPECT_EQ(parse_cgroup("0::\n"), "");
  EXPECT_EQ(parse_id("1000\n"), 1000U);
  EXPECT_EQ(parse_id("4294967295"), kUnsetId);
  EXPECT_EQ(parse_id(""), kUnsetId);
}

}  // namespace
}  // namespace preload
