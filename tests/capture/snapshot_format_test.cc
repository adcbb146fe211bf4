// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/snapshot_format.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace preload {
namespace {

using std::string_literals::operator""s;

void section(SnapshotWriter& out, Section what, std::string_view bytes) {
  out.begin(what);
  ASSERT_TRUE(out.append(bytes));
  out.end();
}

TEST(SnapshotFormat, DecodesWhatProcSays) {
  std::vector<std::byte> memory(4096);
  SnapshotWriter out(memory);
  section(out, Section::kEnv, "LD_PRELOAD=x");
  section(out, Section::kExe, "/usr/bin/id");
  section(out, Section::kStat,
          "77 (a) b (c)) S 70 77 70 34817 77 4194304 1 0 0 0 0 0 0 0 20 0 1 0 "
          "123456 10 20\n");
  section(out, Section::kStatus,
          "Name:\tid\nUid:\t1000\t0\t0\t0\nGid:\t100\t101\t0\t0\n");
  section(out, Section::kLoginuid, "1000");
  section(out, Section::kSessionid, "4294967295");
  section(out, Section::kCmdline, "id\0\0a b\0"s);
  section(out, Section::kCgroup, "12:pids:/old\n0::/user.slice/x\n");
  const std::vector<uint64_t> auxv{23, 1, 7, 0x7f00, 0, 0};
  section(out, Section::kAuxv,
          {reinterpret_cast<const char*>(auxv.data()), auxv.size() * 8});
  const size_t length = out.finish(SnapshotKind::kWatched, 77, 99);
  const ExecSnapshot s =
      *parse_notice(std::span(memory).first(length))->snapshot;
  EXPECT_EQ(s.pid, 77);
  EXPECT_EQ(s.exec_ns, 99U);
  EXPECT_EQ(s.env, (std::vector<EnvVar>{{"LD_PRELOAD", "x"}}));
  EXPECT_EQ(s.executable, "/usr/bin/id");
  EXPECT_EQ(s.ppid, 70);
  EXPECT_EQ(s.start_ticks, 123456U);
  EXPECT_EQ(s.tty, "pts1");
  EXPECT_EQ(s.uid, 1000U);
  EXPECT_EQ(s.euid, 0U);
  EXPECT_EQ(s.gid, 100U);
  EXPECT_EQ(s.egid, 101U);
  EXPECT_EQ(s.auid, 1000U);
  EXPECT_EQ(s.ses, kUnsetId);
  EXPECT_EQ(s.argv, (std::vector<std::string>{"id", "", "a b"}));
  EXPECT_EQ(s.cgroup, "/user.slice/x");
  EXPECT_EQ(s.secure, true);
  EXPECT_EQ(s.no_interpreter, false);
}

TEST(SnapshotFormat, AuxvOfA32BitProgram) {
  std::vector<std::byte> memory(4096);
  SnapshotWriter out(memory);
  const std::vector<uint32_t> auxv{32, 0xf7f00000, 23, 0, 7, 0, 0, 0};
  section(out, Section::kAuxv,
          {reinterpret_cast<const char*>(auxv.data()), auxv.size() * 4});
  const size_t length = out.finish(SnapshotKind::kWatched, 1, 1);
  const ExecSnapshot s =
      *parse_notice(std::span(memory).first(length))->snapshot;
  EXPECT_EQ(s.secure, false);
  EXPECT_EQ(s.no_interpreter, true);
}

TEST(SnapshotFormat, SectionsThatDoNotFitLeaveNothingBehind) {
  std::vector<std::byte> memory(kSnapshotHeader + kSectionHeader + 3);
  SnapshotWriter out(memory);
  out.begin(Section::kEnv);
  EXPECT_FALSE(out.append("A=long"));
  out.abandon();
  section(out, Section::kEnv, "A=1");
  out.begin(Section::kExe);
  EXPECT_FALSE(out.append("x"));
  out.abandon();
  const size_t length = out.finish(SnapshotKind::kWatched, 1, 1);
  EXPECT_EQ(length, memory.size());
  EXPECT_EQ(parse_notice(memory)->snapshot->env,
            (std::vector<EnvVar>{{"A", "1"}}));
  std::vector<std::byte> tiny(kSnapshotHeader - 1);
  EXPECT_EQ(SnapshotWriter(tiny).finish(SnapshotKind::kNothing, 1, 1), 0U);
}

TEST(SnapshotFormat, DecodesNoMatterWhereItIsCut) {
  std::vector<std::byte> memory(256);
  SnapshotWriter out(memory);
  section(out, Section::kEnv, "A=1");
  section(out, Section::kStat, "1 (x) S 2");
  const size_t length = out.finish(SnapshotKind::kWatched, 1, 1);
  for (size_t cut = 0; cut <= length; ++cut) {
    const auto notice = parse_notice(std::span(memory).first(cut));
    ASSERT_EQ(notice.has_value(), cut >= kSnapshotHeader);
    EXPECT_LE(notice ? notice->snapshot->env.size() : 0U, 1U);
  }
}

// The snapshot of a process of which one file says `bytes`.
ExecSnapshot snapshot_of(Section what, std::string_view bytes) {
  std::vector<std::byte> memory(4096);
  SnapshotWriter out(memory);
  section(out, what, bytes);
  const size_t length = out.finish(SnapshotKind::kWatched, 1, 1);
  return *parse_notice(std::span(memory).first(length))->snapshot;
}

TEST(SnapshotFormat, TtyNames) {
  for (const auto& [number, name] : std::vector<std::pair<int, std::string>>{
           {0, "(none)"},
           {34816, "pts0"},
           {1025, "tty1"},
           {1088, "ttyS0"},
           {34816 + (1 << 20), "pts256"}}) {
    const std::string stat = "7 (x) S 1 7 7 " + std::to_string(number) + " 7";
    EXPECT_EQ(snapshot_of(Section::kStat, stat).tty, name);
  }
}

TEST(SnapshotFormat, ContainerIds) {
  const std::string id(64, 'a');
  for (const auto& [path, container] :
       std::vector<std::pair<std::string, std::string>>{
           {"/system.slice/docker-" + id + ".scope", id},
           {"/kubepods/pod1/" + id, id},
           {"/user.slice/" + id + "b", ""},
           {"/user.slice", ""}})
    EXPECT_EQ(snapshot_of(Section::kCgroup, "0::" + path).container, container);
}

}  // namespace
}  // namespace preload
