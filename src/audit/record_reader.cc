// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/record_reader.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace preload {

RecordReader::RecordReader(int fd, Metrics& metrics, OnRecord on_record)
    : fd_(fd),
      metrics_(metrics),
      on_record_(std::move(on_record)),
      buffer_(std::make_unique_for_overwrite<char[]>(kBufferSize)) {}

Result<ReadState> RecordReader::drain() {
  last_bytes_ = 0;
  while (!ended_ && last_bytes_ < kMaxDrain) {
    const size_t room = kBufferSize - filled_;
    const Result<size_t> got = read_some();
    if (!got)
      return tl::unexpected(got.error());
    last_bytes_ += *got;
    filled_ += *got;
    split();
    if (*got < room)
      break;
  }
  return ended_ ? ReadState::kEndOfFile : ReadState::kOpen;
}

// Bytes that came after the filled part of the buffer; 0 when there are none
// now, or none any more (`ended_`).
Result<size_t> RecordReader::read_some() {
  char* const at = buffer_.get() + filled_;
  const size_t room = kBufferSize - filled_;
  while (true) {
    pollfd input{fd_, POLLIN, 0};
    if (!socket_ && ::poll(&input, 1, 0) != 1)
      return 0;
    const ssize_t got =
        socket_ ? ::recv(fd_, at, room, MSG_DONTWAIT) : ::read(fd_, at, room);
    if (got > 0)
      return static_cast<size_t>(got);
    if (got == 0) {
      ended_ = true;
      // A line without its end was cut. It is dropped, since a number at its
      // end may lack digits.
      if (std::exchange(filled_, 0) > 0)
        metrics_.add(Metric::kRecordsMalformed);
      searched_ = 0;
      return 0;
    }
    if (errno == ENOTSOCK && socket_) {
      socket_ = false;
    } else if (errno == EAGAIN) {
      return 0;
    } else if (errno != EINTR) {
      return fail("cannot read audit records", errno);
    }
  }
}

// Hands over the whole lines in the buffer and moves what is left to its
// front.
void RecordReader::split() {
  const char* const base = buffer_.get();
  size_t begin = 0;
  while (const void* found =
             std::memchr(base + searched_, '\n', filled_ - searched_)) {
    const auto newline =
        static_cast<size_t>(static_cast<const char*>(found) - base);
    hand_over({base + begin, newline - begin});
    begin = searched_ = newline + 1;
  }
  size_t rest = filled_ - begin;
  if (rest > kMaxRecord || skipping_) {
    if (!skipping_)
      metrics_.add(Metric::kRecordsOverlong);
    skipping_ = true;
    rest = 0;
  }
  std::memmove(buffer_.get(), base + begin, rest);
  filled_ = searched_ = rest;
}

void RecordReader::hand_over(std::string_view line) {
  if (std::exchange(skipping_, false))
    return;
  if (line.size() > kMaxRecord) {
    metrics_.add(Metric::kRecordsOverlong);
    return;
  }
  metrics_.add(Metric::kRecords);
  on_record_(line);
}

}  // namespace preload
