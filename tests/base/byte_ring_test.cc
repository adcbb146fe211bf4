// SPDX-License-Identifier: Apache-2.0
#include "preload/base/byte_ring.h"

#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace preload {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Of this process, as the kernel accounts it.
size_t shared_memory_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word != "RssShmem:")
      continue;
    size_t kib = 0;
    status >> kib;
    return kib * 1024;
  }
  return 0;
}

ByteRing make_ring(size_t capacity) {
  auto ring = ByteRing::create(capacity);
  EXPECT_TRUE(ring.has_value()) << ring.error().message();
  return std::move(*ring);
}

// Messages that can be checked: message `n` repeats a pattern of its own.
std::byte pattern(uint32_t n, size_t i) {
  return static_cast<std::byte>((size_t{n} * 2'654'435'761U + i * 131U) >> 8);
}

bool push(ByteRing& ring, uint32_t n, size_t size) {
  const auto space = ring.reserve();
  if (space.size() < size)
    return false;
  for (size_t i = 0; i < size; ++i)
    space[i] = pattern(n, i);
  ring.commit(size);
  return true;
}

// How many bytes of the message are right; all, or where it goes wrong.
size_t right(std::span<const std::byte> message, uint32_t n) {
  size_t i = 0;
  while (i < message.size() && message[i] == pattern(n, i))
    ++i;
  return i;
}

TEST(ByteRing, EmptyHasNoMessage) {
  ByteRing ring = make_ring(4096);
  EXPECT_FALSE(ring.front().has_value());
  EXPECT_EQ(ring.used(), 0U);
}

TEST(ByteRing, GivesMessagesInOrderAndEmptyOnesToo) {
  ByteRing ring = make_ring(4096);
  for (uint32_t n = 0; n < 5; ++n)
    ASSERT_TRUE(push(ring, n, n));
  for (uint32_t n = 0; n < 5; ++n) {
    const auto message = ring.front();
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->size(), n);
    EXPECT_EQ(right(*message, n), n);
    ring.release();
  }
  EXPECT_FALSE(ring.front().has_value());
}

TEST(ByteRing, FullRefusesAndRecovers) {
  ByteRing ring = make_ring(4096);
  uint32_t pushed = 0;
  while (push(ring, pushed, 100))
    ++pushed;
  EXPECT_EQ(pushed, 4096U / 104);
  EXPECT_LT(ring.reserve().size(), 100U);
  ring.release();
  EXPECT_TRUE(push(ring, pushed, 100));
  EXPECT_FALSE(push(ring, pushed + 1, 100));
  for (uint32_t n = 1; n <= pushed; ++n) {
    ASSERT_EQ(right(*ring.front(), n), 100U);
    ring.release();
  }
}

// One thread, every interleaving of push and release that chance brings. The
// ring stays near full, so that the producer is always just behind pages that
// the consumer gives back.
TEST(ByteRing, GivingPagesBackNeverTouchesNewMessages) {
  for (const size_t capacity : {kMiB / 2, kMiB, 4 * kMiB}) {
    ByteRing ring = make_ring(capacity);
    std::mt19937 random(1);
    uint32_t in = 0;
    uint32_t out = 0;
    for (int step = 0; step < 1500; ++step) {
      while (push(ring, in, random() % 60'000))
        ++in;
      for (auto n = random() % 4; n > 0 && ring.front(); --n) {
        const auto message = *ring.front();
        ASSERT_EQ(right(message, out), message.size())
            << "message " << out << " of a ring of " << capacity;
        ++out;
        ring.release();
      }
    }
    EXPECT_GT(out, 500U);
  }
}

TEST(ByteRing, TwoThreadsLoseAndTearNothing) {
  constexpr uint32_t kMessages = 30'000;
  ByteRing ring = make_ring(4 * kMiB);
  std::thread producer([&ring] {
    std::mt19937 random(2);
    for (uint32_t n = 0; n < kMessages; ++n) {
      const size_t size =
          n % 1000 == 0 ? random() % (3 * kMiB) : random() % 2000;
      while (!push(ring, n, size))
        std::this_thread::yield();
    }
  });
  std::mt19937 random(2);
  for (uint32_t n = 0; n < kMessages; ++n) {
    const size_t size = n % 1000 == 0 ? random() % (3 * kMiB) : random() % 2000;
    std::optional<std::span<const std::byte>> message;
    while (!(message = ring.front()))
      std::this_thread::yield();
    if (message->size() != size || right(*message, n) != size) {
      ADD_FAILURE() << "message " << n;
      break;
    }
    ring.release();
  }
  producer.join();
  EXPECT_EQ(ring.used(), 0U);
}

TEST(ByteRing, TakesTheLargestEnvironment) {
  ByteRing ring = make_ring(16 * kMiB);
  for (uint32_t n = 0; n < 20; ++n) {
    ASSERT_TRUE(push(ring, n, 6 * kMiB)) << n;
    ASSERT_EQ(right(*ring.front(), n), 6 * kMiB);
    ring.release();
  }
}

TEST(ByteRing, HoldsMemoryOnlyForWhatItHolds) {
  ByteRing ring = make_ring(16 * kMiB);
  const size_t before = shared_memory_bytes();
  ASSERT_TRUE(push(ring, 1, 12 * kMiB));
  EXPECT_GT(shared_memory_bytes(), before + 11 * kMiB);
  ring.release();
  EXPECT_LT(shared_memory_bytes(), before + kMiB);
  // Nor does a stream of small ones add up.
  for (uint32_t n = 0; n < 20'000; ++n) {
    ASSERT_TRUE(push(ring, n, 3000));
    ring.release();
  }
  EXPECT_LT(shared_memory_bytes(), before + kMiB);
}

TEST(ByteRing, MovesWithItsContent) {
  ByteRing ring = make_ring(4096);
  ASSERT_TRUE(push(ring, 9, 50));
  ByteRing moved = std::move(ring);
  EXPECT_EQ(right(*moved.front(), 9), 50U);
}

}  // namespace
}  // namespace preload
