// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/exec_parser.h"

#include <random>

#include <gtest/gtest.h>

#include "records.h"

namespace preload {
namespace {

using test::event_records;
using test::execve_records;
using test::head;
using test::joined;
using test::sample_exec;
using test::syscall_record;

class ExecParserTest : public testing::Test {
 protected:
  AuditExec parse(const std::string& records) {
    Result<AuditExec> exec = parser_.parse(records);
    EXPECT_TRUE(exec) << exec.error().message();
    return exec.value_or(AuditExec{});
  }

  ExecParser parser_ = ExecParser::create().value();
};

void expect_same(const AuditExec& got, const AuditExec& want) {
  EXPECT_EQ(got.pid, want.pid);
  EXPECT_EQ(got.ppid, want.ppid);
  EXPECT_EQ(got.auid, want.auid);
  EXPECT_EQ(got.uid, want.uid);
  EXPECT_EQ(got.euid, want.euid);
  EXPECT_EQ(got.gid, want.gid);
  EXPECT_EQ(got.egid, want.egid);
  EXPECT_EQ(got.ses, want.ses);
  EXPECT_EQ(got.tty, want.tty);
  EXPECT_EQ(got.comm, want.comm);
  EXPECT_EQ(got.exe, want.exe);
  EXPECT_EQ(got.key, want.key);
  EXPECT_EQ(got.cwd, want.cwd);
  EXPECT_EQ(got.argv, want.argv);
  EXPECT_EQ(got.argc, want.argc);
  EXPECT_EQ(got.uid_name, want.uid_name);
  EXPECT_EQ(got.auid_name, want.auid_name);
}

TEST_F(ExecParserTest, ReadsARawEvent) {
  expect_same(parse(joined(event_records(sample_exec()))), sample_exec());
}

TEST_F(ExecParserTest, ReadsAnEnrichedEvent) {
  AuditExec want = sample_exec();
  want.uid_name = "bob";
  want.auid_name = "CORP\\bob smith";
  expect_same(parse(joined(event_records(want, {.enriched = true}))), want);
}

TEST_F(ExecParserTest, KeepsUnsetIdsApart) {
  AuditExec want = sample_exec();
  want.auid = want.ses = UINT32_MAX;
  want.tty = "(none)";
  want.uid_name = "daemon";
  expect_same(parse(joined(event_records(want, {.enriched = true}))), want);
  // auditd found no name.
  want.uid_name = "unknown(1000)";
  EXPECT_EQ(parse(joined(event_records(want, {.enriched = true}))).uid_name,
            "");
}

TEST_F(ExecParserTest, JoinsKeys) {
  AuditExec want = sample_exec();
  want.key = "preload-exec,audit tmp,\"x\"";
  expect_same(parse(joined(event_records(want))), want);
  want.key = "";
  expect_same(parse(joined(event_records(want))), want);
  want.key = "with blank";
  expect_same(parse(joined(event_records(want))), want);
}

TEST_F(ExecParserTest, KeepsWhatLooksLikeSomethingElse) {
  AuditExec want = sample_exec();
  want.argv = {"",     "2F62696E", "(null)",     "a)",        "b,",
               "c:",   "d'",       "a1=x",       "key=\"y\"", "pid=5",
               "\x1d", "a0[0]=z",  "msg='op=x'", "(",         "\\"};
  want.argc = want.argv.size();
  want.comm = "msg='a";
  want.exe = "/tmp/x (deleted)";
  want.cwd =
      "/tmp/\x1d"
      "UID=\"root\"\nnode=x";
  expect_same(parse(joined(event_records(want))), want);
}

TEST_F(ExecParserTest, RoundTripsAnyBytes) {
  std::mt19937 random(5);
  const auto bytes = [&](size_t limit) {
    std::string text(random() % limit, '\0');
    const bool plain = random() % 2 == 0;
    for (char& c : text)
      c = static_cast<char>(plain ? '!' + random() % 94 : 1 + random() % 255);
    for (char& c : text)
      c = plain && c == '"' ? '\'' : c;
    return text;
  };
  for (int round = 0; round < 3'000; ++round) {
    AuditExec want = sample_exec();
    want.comm = bytes(16);
    want.exe = "/" + bytes(200);
    want.cwd = "/" + bytes(200);
    want.argv.clear();
    for (size_t n = 1 + random() % 12; n > 0; --n)
      want.argv.push_back(bytes(random() % 10 == 0 ? 3000 : 40));
    want.argc = want.argv.size();
    std::vector<std::string> lines{syscall_record(want, {})};
    for (const std::string& line :
         execve_records(want, random() % 2 == 0 ? 7500 : 200))
      lines.push_back(line);
    lines.push_back(head(want.id, "CWD") + " cwd=" + test::untrusted(want.cwd));
    expect_same(parse(joined(lines)), want);
    ASSERT_FALSE(HasFailure()) << joined(lines);
  }
}

TEST_F(ExecParserTest, JoinsPiecesOfLongArguments) {
  AuditExec want = sample_exec();
  want.argv = {"sh", "-c", std::string(131'000, 'a') + " \xff tail", "end"};
  for (int i = 0; i < 5'000; ++i)
    want.argv.push_back("argument-" + std::to_string(i));
  want.argc = want.argv.size();
  EXPECT_GT(execve_records(want).size(), 20U);
  expect_same(parse(joined(event_records(want))), want);
}

TEST_F(ExecParserTest, EndsArgvAtTheFirstGap) {
  const AuditExec exec = sample_exec();
  const std::string begin = syscall_record(exec, {}) + "\n";
  const auto argv = [&](const std::string& fields) {
    return parse(begin + head(exec.id, "EXECVE") + " " + fields + "\n").argv;
  };
  using Argv = std::vector<std::string>;
  EXPECT_EQ(argv("argc=3 a0=\"x\" a2=\"z\" a1=\"y\""), (Argv{"x"}));
  EXPECT_EQ(argv("argc=3 a1=\"y\""), Argv{});
  EXPECT_EQ(argv("argc=2 a0=\"x\" a1[0]=\"y\" a1[2]=\"z\" a2=\"w\""),
            (Argv{"x", "y"}));
  EXPECT_EQ(argv("argc=2 a0=\"x\" a0=\"again\""), (Argv{"x"}));
  EXPECT_EQ(argv("argc=2 a0=\"x\" a0[1]=\"y\""), (Argv{"x"}));
  EXPECT_EQ(argv("argc=2 a0=\"x\" a99999999999999999999=\"y\""), (Argv{"x"}));
  EXPECT_EQ(argv("argc=2 a0=\"x\" a4294967295=\"y\""), (Argv{"x"}));
  EXPECT_EQ(argv("a0[x]=\"x\""), Argv{});
  EXPECT_EQ(argv("a0[]=\"x\""), Argv{});
  const AuditExec more =
      parse(begin + head(exec.id, "EXECVE") + " argc=900 a0=\"x\"\n");
  EXPECT_EQ(more.argc, 900U);
  EXPECT_EQ(more.argv, (Argv{"x"}));
}

TEST_F(ExecParserTest, TakesTheFirstOfRepeatedFieldsAndRecords) {
  AuditExec other = sample_exec();
  other.pid = 99;
  other.cwd = "/elsewhere";
  const AuditExec want = sample_exec();
  std::vector<std::string> lines = event_records(want);
  lines.front() += " pid=5 uid=0";
  lines.insert(lines.begin() + 3, event_records(other)[2]);
  lines.insert(lines.begin() + 1, syscall_record(other, {}));
  const AuditExec got = parse(joined(lines));
  EXPECT_EQ(got.pid, want.pid);
  EXPECT_EQ(got.uid, want.uid);
  EXPECT_EQ(got.cwd, want.cwd);
}

TEST_F(ExecParserTest, RefusesWhatIsNoEvent) {
  EXPECT_FALSE(parser_.parse(""));
  EXPECT_FALSE(parser_.parse("\n"));
  EXPECT_FALSE(parser_.parse("garbage\n"));
  EXPECT_FALSE(parser_.parse(head(sample_exec().id, "CWD") + " cwd=\"/\"\n"));
  // And the event before does not show through.
  (void)parse(joined(event_records(sample_exec())));
  EXPECT_FALSE(parser_.parse("type=SYSCALL\n"));
  EXPECT_FALSE(parser_.parse(""));
}

}  // namespace
}  // namespace preload
