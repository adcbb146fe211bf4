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

// What the open transaction adds is kept apart until commit(), so that a
// rollback drops it and nothing else.
template <class Key, class Hash = std::hash<Key>>
class Counts {
 public:
  void add(Key key, const Seen& seen) {
    open_.emplace_back(std::move(key), seen);
  }
  void commit() {
    for (auto& [key, seen] : open_)
      committed_[std::move(key)].add(seen);
    open_.clear();
  }
  void rollback() { open_.clear(); }

  // Of a key, as far as it is not in the database.
  [[nodiscard]] int64_t last_counted_us(const Key& key) const {
    int64_t latest = kNever;
    if (const auto hit = committed_.find(key); hit != committed_.end())
      latest = hit->second.last_counted_us;
    for (const auto& [open_key, seen] : open_)
      if (open_key == key)
        latest = std::max(latest, seen.last_counted_us);
    return latest;
  }

  // Calls `each`, Status(const Key&, const Seen&), with what was committed, in
  // the order of the keys: neighbours share pages of the database. Not within
  // an open transaction; clear() when the one that writes it is committed.
  template <class Each>
  Status write(Each&& each) const {
    std::vector<const std::pair<const Key, Seen>*> entries;
    for (const auto& entry : committed_)
      entries.push_back(&entry);
    std::sort(entries.begin(), entries.end(),
              [](const auto* a, const auto* b) { return a->first < b->first; });
    for (const auto* entry : entries)
      if (Status done = each(entry->first, entry->second); !done)
        return done;
    return {};
  }
  void clear() { committed_.clear(); }

  // Keys that were committed.
  [[nodiscard]] size_t size() const { return committed_.size(); }

 private:
  std::unordered_map<Key, Seen, Hash> committed_;
  std::vector<std::pair<Key, Seen>> open_;
};

}  // namespace preload
