// SPDX-License-Identifier: Apache-2.0
#include "preload/base/byte_ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "preload/base/fd.h"

namespace preload {
namespace {

constexpr size_t kHeader = sizeof(uint32_t);
constexpr size_t kAlign = 8;
// One madvise(2) for each so many bytes.
constexpr size_t kReturnStep = size_t{256} * 1024;
// Smaller rings keep their memory: a step would be too large a part of them.
constexpr size_t kReturnCapacity = 8 * kReturnStep;

size_t message_span(size_t size) {
  return (kHeader + size + kAlign - 1) / kAlign * kAlign;
}

}  // namespace

Result<ByteRing> ByteRing::create(size_t capacity) {
  const Fd memory(::memfd_create("preload-ring", MFD_CLOEXEC));
  if (!memory || ::ftruncate(memory.get(), static_cast<off_t>(capacity)) != 0)
    return fail("cannot create a ring buffer", errno);
  void* base = ::mmap(nullptr, 2 * capacity, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return fail("cannot map a ring buffer", errno);
  ByteRing ring(static_cast<std::byte*>(base), capacity);
  for (std::byte* half : {ring.base_, ring.base_ + capacity})
    if (::mmap(half, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
               memory.get(), 0) == MAP_FAILED)
      return fail("cannot map a ring buffer", errno);
  return ring;
}

ByteRing::ByteRing(ByteRing&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      capacity_(other.capacity_),
      head_(other.head_.load()),
      tail_(other.tail_.load()),
      free_(other.free_.load()) {}

ByteRing::~ByteRing() {
  if (base_ != nullptr)
    ::munmap(base_, 2 * capacity_);
}

std::span<std::byte> ByteRing::reserve() {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  const size_t room =
      capacity_ - (head - free_.load(std::memory_order_acquire));
  if (room < kHeader + kAlign)
    return {};
  return {base_ + head % capacity_ + kHeader, room - kHeader - kAlign};
}

void ByteRing::commit(size_t size) {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  const auto length = static_cast<uint32_t>(size);
  std::memcpy(base_ + head % capacity_, &length, kHeader);
  head_.store(head + message_span(size), std::memory_order_release);
}

std::optional<std::span<const std::byte>> ByteRing::front() {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  if (tail == head_.load(std::memory_order_acquire))
    return std::nullopt;
  uint32_t length = 0;
  const std::byte* message = base_ + tail % capacity_;
  std::memcpy(&length, message, kHeader);
  return std::span{message + kHeader, length};
}

void ByteRing::release() {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  uint32_t length = 0;
  std::memcpy(&length, base_ + tail % capacity_, kHeader);
  const uint64_t next = tail + message_span(length);
  tail_.store(next, std::memory_order_release);
  if (capacity_ < kReturnCapacity) {
    free_.store(next, std::memory_order_release);
    return;
  }
  // Whole steps only: the page at the border may hold the next message.
  const uint64_t border = next / kReturnStep * kReturnStep;
  uint64_t freed = free_.load(std::memory_order_relaxed);
  if (border == freed)
    return;
  for (; freed < border; freed += kReturnStep)
    ::madvise(base_ + freed % capacity_, kReturnStep, MADV_REMOVE);
  free_.store(border, std::memory_order_release);
}

size_t ByteRing::used() const {
  const uint64_t tail = tail_.load(std::memory_order_acquire);
  return head_.load(std::memory_order_acquire) - tail;
}

}  // namespace preload
