// SPDX-License-Identifier: Apache-2.0
// The record stream: bytes of standard input, split into lines, in batches.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "preload/base/metrics.h"
#include "preload/base/result.h"

namespace preload {

enum class ReadState { kOpen, kEndOfFile };

// One thread. Reads a socket (what auditd gives), a pipe or a file, and never
// waits: a socket by MSG_DONTWAIT, others by asking poll(2) first, because
// O_NONBLOCK would belong to everybody who shares the descriptor.
class RecordReader {
 public:
  // A line without its newline; valid during the call only. It may hold any
  // byte but a newline, NUL included.
  using OnRecord = std::function<void(std::string_view line)>;

  // auditd's longest line is MAX_AUDIT_MESSAGE_LENGTH (8970) with room for a
  // node name and interpretations. A longer one is counted and passed over.
  static constexpr size_t kMaxRecord = size_t{16} << 10;
  // About as much as the socket holds: records of 300 bytes count there with
  // their overhead in the kernel.
  static constexpr size_t kBufferSize = size_t{256} << 10;
  // Limit of one drain(), so that signals and timers are handled although
  // records come faster than they are read.
  static constexpr size_t kMaxDrain = 16 * kBufferSize;

  // `fd` stays the caller's and must outlive the reader.
  RecordReader(int fd, Metrics& metrics, OnRecord on_record);

  // Reads what is available now and calls `on_record` for each whole line. Call
  // it when poll() reports input. The error is that of read(2).
  Result<ReadState> drain();

  // Bytes that the last drain() read.
  [[nodiscard]] size_t last_bytes() const { return last_bytes_; }

 private:
  Result<size_t> read_some();
  void split();
  void hand_over(std::string_view line);

  int fd_;
  Metrics& metrics_;
  OnRecord on_record_;
  std::unique_ptr<char[]> buffer_;  // kBufferSize
  size_t filled_ = 0;               // bytes in it: the beginning of a line
  size_t searched_ = 0;             // of those, known to hold no newline
  size_t last_bytes_ = 0;
  bool skipping_ = false;  // inside a line that is too long
  bool socket_ = true;     // until recv() says otherwise
  bool ended_ = false;
};

}  // namespace preload
