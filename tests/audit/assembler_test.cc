// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/assembler.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>

#include <gtest/gtest.h>

#include "preload/audit/record_reader.h"
#include "preload/base/fd.h"
#include "records.h"
#include "support/fake_clock.h"

namespace preload {
namespace {

using test::event_records;
using test::head;
using test::sample_exec;

struct Delivered {
  uint64_t token;
  AuditExec exec;
};

// Keeps every exec under its serial, unless told otherwise.
class Handler final : public AuditHandler {
 public:
  std::optional<uint64_t> on_exec(const SyscallRecord& record) override {
    asked.push_back(record.id.serial);
    last_syscall = record.exec;
    return keep ? std::optional(record.id.serial) : std::nullopt;
  }
  Wanted wanted(uint64_t /*token*/) override { return is_wanted; }
  void on_exec_event(uint64_t token, AuditExec&& exec) override {
    delivered.push_back({token, std::move(exec)});
  }
  void on_preload_file(const SyscallRecord& record) override {
    preload_file.emplace_back(to_string(record.id.audit_id()), record.pid);
  }

  bool keep = true;
  Wanted is_wanted = Wanted::kYes;
  std::string last_syscall;
  std::vector<uint64_t> asked;
  std::vector<Delivered> delivered;
  std::vector<std::pair<std::string, int32_t>> preload_file;
};

class AssemblerTest : public testing::Test {
 protected:
  void feed(const std::vector<std::string>& lines) {
    for (const std::string& line : lines)
      assembler_.on_record(line);
  }
  [[nodiscard]] uint64_t count(Metric metric) const {
    return metrics_.get(metric);
  }

  FakeClock clock_;
  Metrics metrics_;
  Handler handler_;
  ExecParser parser_ = ExecParser::create().value();
  Assembler assembler_{clock_, metrics_, handler_, parser_};
};

TEST_F(AssemblerTest, DeliversAKeptEventOnce) {
  feed(event_records(sample_exec()));
  ASSERT_EQ(handler_.delivered.size(), 1U);
  EXPECT_EQ(handler_.delivered[0].token, 7U);
  const AuditExec& exec = handler_.delivered[0].exec;
  EXPECT_EQ(exec.id, sample_exec().id);
  EXPECT_EQ(exec.argv, sample_exec().argv);
  EXPECT_EQ(exec.cwd, sample_exec().cwd);
  EXPECT_EQ(handler_.last_syscall, "execve");
  EXPECT_EQ(assembler_.open(), 0U);
  EXPECT_EQ(assembler_.bytes(), 0U);
  assembler_.flush();
  EXPECT_EQ(handler_.delivered.size(), 1U);
}

TEST_F(AssemblerTest, DropsWhatItsOwnerDrops) {
  handler_.keep = false;
  feed(event_records(sample_exec()));
  EXPECT_EQ(handler_.asked.size(), 1U);
  EXPECT_EQ(assembler_.open(), 0U);
  assembler_.flush();
  EXPECT_TRUE(handler_.delivered.empty());
}

TEST_F(AssemblerTest, AsksAboutSuccessfulExecsOnly) {
  feed(event_records(sample_exec(), {.success = false}));
  feed(event_records(sample_exec(), {.syscall = 2}));
  feed(event_records(sample_exec(), {.arch = 0x40000003, .syscall = 59}));
  EXPECT_TRUE(handler_.asked.empty());
  feed(event_records(sample_exec(), {.arch = 0x40000003, .syscall = 11}));
  EXPECT_EQ(handler_.asked.size(), 1U);
}

TEST_F(AssemblerTest, EndsEventsOfStreamsWithoutEoe) {
  feed(event_records(sample_exec(1), {.eoe = false}));
  EXPECT_EQ(handler_.delivered.size(), 1U);  // PROCTITLE ended it
  std::vector<std::string> lines =
      event_records(sample_exec(2), {.eoe = false});
  lines.pop_back();
  feed(lines);
  EXPECT_EQ(handler_.delivered.size(), 1U);
  ASSERT_TRUE(assembler_.deadline_ns());
  EXPECT_EQ(*assembler_.deadline_ns(),
            clock_.monotonic_ns() + Assembler::kEventTimeoutNs);
  clock_.advance_us(1'999'999);
  assembler_.expire();
  EXPECT_EQ(handler_.delivered.size(), 1U);
  clock_.advance_us(1);
  assembler_.expire();
  ASSERT_EQ(handler_.delivered.size(), 2U);
  EXPECT_EQ(handler_.delivered[1].exec.argv, sample_exec().argv);
  EXPECT_EQ(count(Metric::kRecordsOrphaned), 1U) << "it never ended";
  EXPECT_FALSE(assembler_.deadline_ns());
  lines = event_records(sample_exec(3));
  feed({lines[0], lines[1]});
  assembler_.flush();
  ASSERT_EQ(handler_.delivered.size(), 3U);
  EXPECT_EQ(handler_.delivered[2].exec.argv, sample_exec().argv);
  EXPECT_EQ(handler_.delivered[2].exec.cwd, "");
  EXPECT_EQ(count(Metric::kRecordsOrphaned), 1U) << "the stream did";
}

TEST_F(AssemblerTest, KeepsInterleavedEventsApart) {
  std::mt19937 random(17);
  for (int round = 0; round < 300; ++round) {
    handler_.delivered.clear();
    std::vector<AuditExec> execs;
    std::vector<std::vector<std::string>> queues;
    for (uint64_t i = 0; i < 6; ++i) {
      AuditExec exec = sample_exec(1 + i / 2);
      if (i % 2 == 1)
        exec.id.node = "other.example";  // the same serial elsewhere
      exec.argv = {"prog", std::to_string(i)};
      execs.push_back(exec);
      queues.push_back(event_records(exec, {.enriched = random() % 2 == 0}));
      std::reverse(queues.back().begin(), queues.back().end());
    }
    while (!queues.empty()) {
      auto& queue = queues[random() % queues.size()];
      assembler_.on_record(queue.back());
      queue.pop_back();
      std::erase_if(queues, [](const auto& q) { return q.empty(); });
    }
    ASSERT_EQ(handler_.delivered.size(), execs.size());
    for (const AuditExec& want : execs) {
      const auto found = std::find_if(
          handler_.delivered.begin(), handler_.delivered.end(),
          [&](const Delivered& d) { return d.exec.id == want.id; });
      ASSERT_NE(found, handler_.delivered.end());
      ASSERT_EQ(found->exec.argv, want.argv);
      ASSERT_EQ(found->exec.cwd, want.cwd);
    }
  }
}

// From bytes to events, however the bytes are cut into reads.
TEST_F(AssemblerTest, AnySplitOfTheStreamGivesTheSameEvents) {
  AuditExec first = sample_exec(1);
  first.argv = {"sh", "-c", "two words", "\xff"};
  first.argc = first.argv.size();
  AuditExec second = sample_exec(2);
  second.id.node = "db1.example";
  std::string text;
  const auto a = event_records(first);
  const auto b = event_records(second, {.enriched = true});
  for (size_t i = 0; i < a.size(); ++i)
    text += a[i] + "\n" + b[i] + "\n";
  for (size_t split = 0; split <= text.size(); ++split) {
    handler_.delivered.clear();
    std::array<int, 2> fds{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
    const Fd read_end(fds[0]);
    Fd write_end(fds[1]);
    RecordReader reader(
        read_end.get(), metrics_,
        [this](std::string_view line) { assembler_.on_record(line); });
    for (const auto part : {std::string_view(text).substr(0, split),
                            std::string_view(text).substr(split)}) {
      ASSERT_EQ(::write(write_end.get(), part.data(), part.size()),
                static_cast<ssize_t>(part.size()));
      ASSERT_EQ(reader.drain(), ReadState::kOpen);
    }
    ASSERT_EQ(handler_.delivered.size(), 2U) << split;
    ASSERT_EQ(handler_.delivered[0].exec.id, first.id) << split;
    ASSERT_EQ(handler_.delivered[0].exec.argv, first.argv) << split;
    ASSERT_EQ(handler_.delivered[0].exec.cwd, first.cwd) << split;
    ASSERT_EQ(handler_.delivered[1].exec.id, second.id) << split;
    ASSERT_EQ(handler_.delivered[1].exec.argv, second.argv) << split;
  }
  EXPECT_EQ(count(Metric::kRecordsMalformed), 0U);
}

// A stream that ends anywhere: each exec that was asked about is delivered.
TEST_F(AssemblerTest, ACutStreamStillDeliversEachKeptEvent) {
  const std::string text = test::joined(event_records(sample_exec()));
  for (size_t end = 0; end < text.size(); ++end) {
    handler_.asked.clear();
    handler_.delivered.clear();
    std::string_view rest = std::string_view(text).substr(0, end);
    for (size_t newline = rest.find('\n'); newline != std::string_view::npos;
         newline = rest.find('\n')) {
      assembler_.on_record(rest.substr(0, newline));
      rest.remove_prefix(newline + 1);
    }
    assembler_.flush();
    ASSERT_EQ(handler_.delivered.size(), handler_.asked.size()) << end;
  }
}

TEST_F(AssemblerTest, IgnoresRecordsOfEventsThatAreNotOpen) {
  const std::vector<std::string> lines = event_records(sample_exec());
  // We began in the middle; then all of it, repeated and late records.
  feed({lines[1], lines[2], lines.back()});
  EXPECT_TRUE(handler_.asked.empty());
  feed({lines[0], lines[0], lines[1], lines[2], lines.back(), lines.back(),
        lines[1], lines[2]});
  EXPECT_EQ(handler_.asked.size(), 1U);
  ASSERT_EQ(handler_.delivered.size(), 1U);
  EXPECT_EQ(handler_.delivered[0].exec.argv, sample_exec().argv);
  EXPECT_EQ(count(Metric::kRecordsMalformed), 0U);
}

TEST_F(AssemblerTest, CountsMalformedRecords) {
  feed({"", "garbage", "type=SYSCALL msg=audit(1.000:1): arch=c000003e",
        std::string("\0\0", 2)});
  EXPECT_EQ(count(Metric::kRecordsMalformed), 4U);
  std::vector<std::string> lines = event_records(sample_exec());
  lines[1] += std::string("\0x", 2);
  feed(lines);
  EXPECT_EQ(count(Metric::kRecordsMalformed), 5U);
  ASSERT_EQ(handler_.delivered.size(), 1U);
  EXPECT_TRUE(handler_.delivered[0].exec.argv.empty());
}

TEST_F(AssemblerTest, GivesLibauparseNoSecondCwd) {
  std::vector<std::string> lines = event_records(sample_exec());
  lines[2] += " cwd=\"/second\" (cwd=\"/third\"";  // a leak, for a sanitizer
  feed(lines);
  ASSERT_EQ(handler_.delivered.size(), 1U);
  EXPECT_EQ(handler_.delivered[0].exec.cwd, sample_exec().cwd);
}

TEST_F(AssemblerTest, DeliversTheScanWhenParsingFails) {
  AuditExec exec = sample_exec();
  exec.exe = "/tmp/with blank";
  exec.key = "one,two";
  std::vector<std::string> lines = event_records(exec);
  lines[0] += std::string("\0", 1);
  feed(lines);
  ASSERT_EQ(handler_.delivered.size(), 1U);
  const AuditExec& got = handler_.delivered[0].exec;
  EXPECT_EQ(got.id, exec.id);
  EXPECT_EQ(got.pid, exec.pid);
  EXPECT_EQ(got.ppid, exec.ppid);
  EXPECT_EQ(got.exe, exec.exe);
  EXPECT_EQ(got.syscall, "execve");
  EXPECT_EQ(count(Metric::kRecordsOrphaned), 1U);
}

TEST_F(AssemblerTest, BoundsOpenEvents) {
  for (uint64_t serial = 1; serial <= Assembler::kMaxOpen + 10; ++serial) {
    const std::vector<std::string> lines = event_records(sample_exec(serial));
    feed({lines[0], lines[1]});
    clock_.advance_us(1);
  }
  EXPECT_EQ(assembler_.open(), Assembler::kMaxOpen);
  ASSERT_EQ(handler_.delivered.size(), 10U);
  for (uint64_t i = 0; i < 10; ++i) {  // the oldest, with what they had
    EXPECT_EQ(handler_.delivered[i].token, i + 1);
    EXPECT_EQ(handler_.delivered[i].exec.argv, sample_exec().argv);
  }
  EXPECT_EQ(count(Metric::kRecordsOrphaned), 10U);
  assembler_.flush();
  EXPECT_EQ(handler_.delivered.size(), Assembler::kMaxOpen + 10);
  EXPECT_EQ(assembler_.bytes(), 0U);
}

TEST_F(AssemblerTest, BoundsTheBytesOfAnEvent) {
  AuditExec exec = sample_exec();
  exec.argv.assign(2'000, std::string(2'000, 'a'));
  exec.argc = exec.argv.size();
  feed(event_records(exec));
  ASSERT_EQ(handler_.delivered.size(), 1U);
  const AuditExec& got = handler_.delivered[0].exec;
  EXPECT_EQ(got.argc, 2'000U);
  EXPECT_GT(got.argv.size(), 400U);
  EXPECT_LT(got.argv.size(), 600U);
  EXPECT_EQ(got.uid, exec.uid);
  EXPECT_EQ(count(Metric::kRecordsOrphaned), 1U);
}

TEST_F(AssemblerTest, BoundsTheRecordsOfAnEvent) {
  const std::vector<std::string> lines = event_records(sample_exec());
  feed({lines[0], lines[1]});
  for (int i = 0; i < 100'000; ++i)
    assembler_.on_record(head(sample_exec().id, "EXECVE"));
  EXPECT_LT(assembler_.bytes(), 64'000U);
  assembler_.on_record(lines.back());
  ASSERT_EQ(handler_.delivered.size(), 1U);
  EXPECT_EQ(handler_.delivered[0].exec.argv, sample_exec().argv);
  EXPECT_EQ(count(Metric::kRecordsOrphaned), 1U);
}

TEST_F(AssemblerTest, BoundsTheBytesOfAllEvents) {
  AuditExec exec = sample_exec();
  exec.argv.assign(400, std::string(2'000, 'a'));
  constexpr uint64_t kEvents = 20;
  for (uint64_t serial = 1; serial <= kEvents; ++serial) {
    exec.id.serial = serial;
    std::vector<std::string> lines = event_records(exec, {.eoe = false});
    lines.pop_back();  // PROCTITLE
    feed(lines);
    EXPECT_LE(assembler_.bytes(), Assembler::kMaxBytes);
    clock_.advance_us(1);
  }
  EXPECT_EQ(handler_.delivered.size() + assembler_.open(), kEvents);
  EXPECT_GE(handler_.delivered.size(), kEvents - 5);
  EXPECT_EQ(handler_.delivered[0].token, 1U);
  EXPECT_EQ(handler_.delivered[0].exec.argv.size(), 400U);
}

TEST_F(AssemblerTest, ReportsTheWatchOfThePreloadFile) {
  AuditExec exec = sample_exec();
  exec.key = "preload-file";
  feed(event_records(exec, {.syscall = 257}));
  exec.key = "etc,preload-file";
  feed(event_records(exec, {.syscall = 82}));
  feed(event_records(exec, {.syscall = 257, .success = false}));
  const std::vector<std::pair<std::string, int32_t>> want{
      {"1795484879.068:7", 1234}, {"1795484879.068:7", 1234}};
  EXPECT_EQ(handler_.preload_file, want);
  EXPECT_TRUE(handler_.asked.empty());
}

TEST_F(AssemblerTest, NamesTheSyscallOfEachArchitecture) {
  for (const auto& [arch, syscall, name] :
       {std::tuple{0xc000003eU, 322U, "execveat"},
        std::tuple{0x40000003U, 11U, "execve"},
        std::tuple{0xc000003eU, 0x40000208U, "execve"},
        std::tuple{0xc00000b7U, 281U, "execveat"}}) {
    feed(event_records(sample_exec(), {.arch = arch, .syscall = syscall}));
    EXPECT_EQ(handler_.last_syscall, name);
    EXPECT_EQ(handler_.delivered.back().exec.syscall, name);
  }
}

}  // namespace
}  // namespace preload
