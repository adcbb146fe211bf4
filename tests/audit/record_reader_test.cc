// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/record_reader.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "preload/base/fd.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

struct Ends {
  Fd read, write;
};

Ends socket_pair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()),
            0);
  return {Fd(fds[0]), Fd(fds[1])};
}

Ends pipe_pair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0);
  return {Fd(fds[0]), Fd(fds[1])};
}

void put(const Fd& fd, std::string_view bytes) {
  ASSERT_EQ(::write(fd.get(), bytes.data(), bytes.size()),
            static_cast<ssize_t>(bytes.size()));
}

class RecordReaderTest : public testing::Test {
 protected:
  RecordReader reader(const Fd& fd) {
    return {fd.get(), metrics_,
            [this](std::string_view line) { lines_.emplace_back(line); }};
  }

  Metrics metrics_;
  std::vector<std::string> lines_;
};

using Lines = std::vector<std::string>;

TEST_F(RecordReaderTest, SplitsWhatIsThereAndNeverWaits) {
  for (auto* make : {socket_pair, pipe_pair}) {
    lines_.clear();
    Ends ends = make();
    RecordReader reader = this->reader(ends.read);
    ASSERT_EQ(reader.drain(), ReadState::kOpen);  // nothing there: no waiting
    EXPECT_EQ(reader.last_bytes(), 0U);
    put(ends.write, "one\ntwo\nthr");
    ASSERT_EQ(reader.drain(), ReadState::kOpen);
    EXPECT_EQ(reader.last_bytes(), 11U);
    EXPECT_EQ(lines_, (Lines{"one", "two"}));
    put(ends.write, "ee\n\n");
    ASSERT_EQ(reader.drain(), ReadState::kOpen);
    EXPECT_EQ(lines_, (Lines{"one", "two", "three", ""}));
    ends.write.reset();
    ASSERT_EQ(reader.drain(), ReadState::kEndOfFile);
    ASSERT_EQ(reader.drain(), ReadState::kEndOfFile);
  }
  EXPECT_EQ(metrics_.get(Metric::kRecords), 8U);
  EXPECT_EQ(metrics_.get(Metric::kRecordsMalformed), 0U);
}

TEST_F(RecordReaderTest, ReadsAFileToItsEndAndCountsACutRecord) {
  const TempDir dir;
  std::string text;
  for (int i = 0; i < 50'000; ++i)
    text += "record " + std::to_string(i) + "\n";
  std::ofstream(dir / "log") << text << "pid=12";
  const Fd fd(::open((dir / "log").c_str(), O_RDONLY | O_CLOEXEC));
  RecordReader reader = this->reader(fd);
  size_t bytes = 0;
  while (reader.drain() == ReadState::kOpen)
    bytes += reader.last_bytes();
  EXPECT_EQ(bytes, text.size() + 6);
  ASSERT_EQ(lines_.size(), 50'000U);
  EXPECT_EQ(lines_.back(), "record 49999");
  EXPECT_EQ(metrics_.get(Metric::kRecordsMalformed), 1U);
}

TEST_F(RecordReaderTest, ReturnsBeforeAnEndlessStreamEnds) {
  const Fd fd(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  RecordReader reader = this->reader(fd);
  ASSERT_EQ(reader.drain(), ReadState::kOpen);
  EXPECT_GE(reader.last_bytes(), RecordReader::kMaxDrain);
  EXPECT_LT(reader.last_bytes(),
            RecordReader::kMaxDrain + RecordReader::kBufferSize);
  EXPECT_EQ(metrics_.get(Metric::kRecordsOverlong), 1U);
  EXPECT_TRUE(lines_.empty());
}

TEST_F(RecordReaderTest, ReportsAnError) {
  const Fd fd(::open("/", O_RDONLY | O_CLOEXEC));
  RecordReader reader = this->reader(fd);
  const auto state = reader.drain();
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().code.value(), EISDIR);
}

// However the bytes are cut into reads, the lines are the same.
TEST_F(RecordReaderTest, AnySplitGivesTheSameLines) {
  const std::string longest(RecordReader::kMaxRecord, 'x');
  const std::string nul("a\0b", 3);
  const std::string text = "first\n" + nul + "\n" + longest + "\n" + longest +
                           "y\n" + longest + longest + "z\nlast\ncut";
  const Lines expected{"first", nul, longest, "last"};
  std::vector<size_t> splits;
  for (size_t i = 0; i < 60; ++i)
    splits.push_back(i);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' || i % 977 == 0) {
      splits.push_back(i);
      splits.push_back(i + 1);
    }
  }
  for (size_t split : splits) {
    lines_.clear();
    const uint64_t overlong = metrics_.get(Metric::kRecordsOverlong);
    const uint64_t malformed = metrics_.get(Metric::kRecordsMalformed);
    Ends ends = socket_pair();
    RecordReader reader = this->reader(ends.read);
    put(ends.write, std::string_view(text).substr(0, split));
    ASSERT_EQ(reader.drain(), ReadState::kOpen);
    put(ends.write, std::string_view(text).substr(split));
    ends.write.reset();
    while (reader.drain() == ReadState::kOpen) {
    }
    ASSERT_EQ(lines_, expected) << split;
    ASSERT_EQ(metrics_.get(Metric::kRecordsOverlong), overlong + 2) << split;
    ASSERT_EQ(metrics_.get(Metric::kRecordsMalformed), malformed + 1) << split;
  }
}

TEST_F(RecordReaderTest, LeavesTheFlagsOfTheDescriptorAlone) {
  Ends ends = pipe_pair();
  RecordReader reader = this->reader(ends.read);
  ASSERT_EQ(reader.drain(), ReadState::kOpen);
  EXPECT_EQ(::fcntl(ends.read.get(), F_GETFL) & O_NONBLOCK, 0);
}

}  // namespace
}  // namespace preload
