// SPDX-License-Identifier: Apache-2.0
// A ring buffer for messages of variable size, from a listener (which must not
// wait) to the input thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "preload/base/result.h"

namespace preload {

// One producer, one consumer, no locks. The memory is mapped twice in a row,
// so a message is contiguous wherever it begins. Each message is
//
//   offset  size  what
//        0     4  bytes that follow, host order
//        4     n  the message, padded to the next multiple of 8
//
// The producer writes a message and then stores `head_` with release; the
// consumer loads `head_` with acquire and reads. In the other direction the
// consumer stores `free_` with release when it no longer needs the bytes, and
// the producer loads it with acquire before it overwrites them.
//
// Pages use memory only while they hold messages: in rings of 2 MiB and more
// the consumer returns them to the system in steps of 256 KiB, and only then
// advances `free_`, since the producer may write anywhere below `free_` plus
// the capacity. So a ring can be large enough for the largest message (6 MiB of
// environment) at almost no cost; up to one step less than its capacity is
// usable. (Rejected: a small ring, and large messages elsewhere. That is a
// second mechanism, and attackers choose the size.)
class ByteRing {
 public:
  // `capacity` bytes, a power of two and a multiple of the page size.
  static Result<ByteRing> create(size_t capacity);
  ByteRing(ByteRing&& other) noexcept;
  ByteRing& operator=(ByteRing&&) = delete;
  ByteRing(const ByteRing&) = delete;
  ByteRing& operator=(const ByteRing&) = delete;
  ~ByteRing();

  // Producer: all free space, for the next message. Valid until
  // commit(). Never blocks; empty when the ring is full.
  [[nodiscard]] std::span<std::byte> reserve();
  // Producer: the first `size` bytes of the reserved space are a message.
  void commit(size_t size);

  // Consumer: the oldest message, valid until release(); nothing when there is
  // none.
  [[nodiscard]] std::optional<std::span<const std::byte>> front();
  // Consumer: ends the use of the message that front() returned.
  void release();

  // Bytes in use, for either thread.
  [[nodiscard]] size_t used() const;

 private:
  ByteRing(std::byte* base, size_t capacity)
      : base_(base), capacity_(capacity) {}

  std::byte* base_;  // owned; 2 * capacity_ bytes of address space
  size_t capacity_;
  // Positions only grow. Apart, so that the threads do not share a cache line.
  alignas(64) std::atomic<uint64_t> head_{0};  // where the producer writes
  alignas(64) std::atomic<uint64_t> tail_{0};  // where the consumer reads
  std::atomic<uint64_t> free_{0};  // the producer may write below this
};

}  // namespace preload
