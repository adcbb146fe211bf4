// SPDX-License-Identifier: Apache-2.0
// A queue between threads that is bounded twice: by entries and by bytes.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace preload {

// Any number of producers, one consumer, first in first out. A full queue
// refuses: what to do then is the producer's policy, and its counter.
template <class T>
class BoundedQueue {
 public:
  BoundedQueue(size_t max_entries, size_t max_bytes)
      : max_entries_(max_entries), max_bytes_(max_bytes) {}

  // Takes `item`, which weighs `bytes`, unless the queue is full or closed;
  // then `item` is as it was and the answer false. All items of one `owner` may
  // have three quarters of the bytes, which leaves room for the others'; a
  // single one may be heavier.
  [[nodiscard]] bool try_push(T&& item, size_t bytes,
                              std::optional<uint64_t> owner = {}) {
    {
      const std::lock_guard lock(mutex_);
      // An item heavier than the bound passes through an empty queue.
      const bool fits = entries_.empty() || (entries_.size() < max_entries_ &&
                                             bytes_ + bytes <= max_bytes_);
      size_t* const owned = owner ? &owned_[*owner] : nullptr;
      const bool fair = owned == nullptr || *owned == 0 ||
                        *owned + bytes <= max_bytes_ / 4 * 3;
      if (closed_ || !fits || !fair)
        return false;
      if (owned != nullptr)
        *owned += bytes;
      add(std::move(item), bytes);
    }
    ready_.notify_one();
    return true;
  }

  // Takes `item` even if the queue is full, for the few that must not be lost.
  // False when it is closed.
  bool push(T&& item, size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_)
        return false;
      add(std::move(item), bytes);
    }
    ready_.notify_one();
    return true;
  }

  // All that is queued, oldest first; waits up to `timeout` for something.
  [[nodiscard]] std::vector<T> pop_all(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, timeout,
                    [&] { return !entries_.empty() || closed_; });
    std::vector<T> items;
    items.reserve(entries_.size());
    for (Entry& entry : entries_)
      items.push_back(std::move(entry.item));
    entries_.clear();
    owned_.clear();
    bytes_ = 0;
    return items;
  }

  // Nothing more goes in; the consumer no longer waits.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_one();
  }

  [[nodiscard]] bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  // By entries or by bytes.
  [[nodiscard]] bool half_full() const {
    const std::lock_guard lock(mutex_);
    return entries_.size() >= max_entries_ / 2 || bytes_ >= max_bytes_ / 2;
  }
  // The most entries it ever held.
  [[nodiscard]] size_t high_water() const {
    const std::lock_guard lock(mutex_);
    return high_water_;
  }

 private:
  struct Entry {
    T item;
    size_t bytes;
  };

  // With the mutex.
  void add(T&& item, size_t bytes) {
    entries_.push_back({std::move(item), bytes});
    bytes_ += bytes;
    high_water_ = std::max(high_water_, entries_.size());
  }

  const size_t max_entries_;
  const size_t max_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Entry> entries_;
  std::map<uint64_t, size_t> owned_;  // bytes of each owner
  size_t bytes_ = 0;
  size_t high_water_ = 0;
  bool closed_ = false;
};

}  // namespace preload
