// SPDX-License-Identifier: Apache-2.0
// Sightings of what is known, added up in memory until they are written.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "preload/base/result.h"

namespace preload {

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

struct Seen {
  int64_t count = 0;
  int64_t first_seen_us = kNever;  // the first that was added
  int64_t last_seen_us = kNever;
  int64_t last_counted_us = kNever;  // not excepted

  // One sighting; `counted`: not excepted.
  static Seen once(int64_t time_us, bool counted) {
    return {1, time_us, time_us, counted ? time_us : kNever};
  }
  void add(const Seen& more) {
    if (count == 0)
      first_seen_us = more.first_seen_us;
    count += more.count;
    last_seen_us = std::max(last_seen_us, more.last_seen_us);
    last_counted_us = std::max(last_counted_us, more.last_counted_us);
  }
};

// What the open transaction adds is apart from what committed ones left, so
// that a rollback costs those nothing. Keys are ordered, for neighbours share
// pages of the database.
template <class Key, class Hash = std::hash<Key>>
class Counts {
 public:
  void add(Key key, const Seen& seen) {
    open_.push_back({std::move(key), seen});
  }

  // Of a key, as far as it is not in the database.
  [[nodiscard]] int64_t last_counted_us(const Key& key) const {
    int64_t latest = kNever;
    if (const auto hit = committed_.find(key); hit != committed_.end())
      latest = hit->second.last_counted_us;
    for (const Entry& entry : open_)
      if (entry.key == key)
        latest = std::max(latest, entry.seen.last_counted_us);
    return latest;
  }

  void commit() {
    if (written_)
      committed_.clear();
    written_ = false;
    for (Entry& entry : open_)
      committed_[std::move(entry.key)].add(entry.seen);
    open_.clear();
  }
  void rollback() {
    written_ = false;
    open_.clear();
  }

  // Hands everything to `each`, Status(const Key&, const Seen&), which writes
  // it within the open transaction; commit() then forgets it.
  template <class Each>
  Status write(Each&& each) {
    std::vector<Entry> entries = open_;
    if (!written_)
      for (const auto& [key, seen] : committed_)
        entries.push_back({key, seen});
    std::stable_sort(
        entries.begin(), entries.end(),
        [](const Entry& a, const Entry& b) { return a.key < b.key; });
    for (const Entry& entry : entries)
      if (Status done = each(entry.key, entry.seen); !done)
        return done;
    written_ = true;
    open_.clear();
    return {};
  }

  // Keys of committed transactions that wait.
  [[nodiscard]] size_t size() const { return committed_.size(); }
  [[nodiscard]] bool empty() const {
    return committed_.empty() && open_.empty();
  }

 private:
  struct Entry {
    Key key;
    Seen seen;
  };
  std::unordered_map<Key, Seen, Hash> committed_;
  std::vector<Entry> open_;
  bool written_ = false;  // committed_, by the open transaction
};

}  // namespace preload
