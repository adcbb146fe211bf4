// SPDX-License-Identifier: Apache-2.0
// Sightings of rows that exist, added up in memory until they are written.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <unordered_map>
#include <vector>

#include "preload/base/result.h"

namespace preload {

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

struct Seen {
  int64_t count = 0;
  int64_t last_seen_us = kNever;
  int64_t last_counted_us = kNever;  // not excepted

  void add(const Seen& more) {
    count += more.count;
    last_seen_us = std::max(last_seen_us, more.last_seen_us);
    last_counted_us = std::max(last_counted_us, more.last_counted_us);
  }
};

// What the open transaction adds is apart from what committed ones left, so
// that a rollback costs those nothing.
class Counts {
 public:
  void add(int64_t row, const Seen& seen) { open_.push_back({row, seen}); }

  // Of a row, as far as it is not in the database.
  [[nodiscard]] int64_t last_counted_us(int64_t row) const {
    int64_t latest = kNever;
    if (const auto hit = committed_.find(row); hit != committed_.end())
      latest = hit->second.last_counted_us;
    for (const Entry& entry : open_)
      if (entry.row == row)
        latest = std::max(latest, entry.seen.last_counted_us);
    return latest;
  }

  void commit() {
    if (written_)
      committed_.clear();
    written_ = false;
    for (const Entry& entry : open_)
      committed_[entry.row].add(entry.seen);
    open_.clear();
  }
  void rollback() {
    written_ = false;
    open_.clear();
  }

  // Hands everything to `each`, Status(int64_t row, const Seen&), which writes
  // it within the open transaction; commit() then forgets it.
  template <class Each>
  Status write(Each&& each) {
    std::vector<Entry> entries;
    if (!written_) {
      entries.reserve(committed_.size());
      for (const auto& [row, seen] : committed_)
        entries.push_back({row, seen});
      // Neighbours share pages.
      std::sort(entries.begin(), entries.end(),
                [](const Entry& a, const Entry& b) { return a.row < b.row; });
    }
    entries.insert(entries.end(), open_.begin(), open_.end());
    for (const Entry& entry : entries)
      if (Status done = each(entry.row, entry.seen); !done)
        return done;
    written_ = true;
    open_.clear();
    return {};
  }

  // Rows of committed transactions that wait.
  [[nodiscard]] size_t size() const { return committed_.size(); }
  [[nodiscard]] bool empty() const {
    return committed_.empty() && open_.empty();
  }

 private:
  struct Entry {
    int64_t row;
    Seen seen;
  };
  std::unordered_map<int64_t, Seen> committed_;
  std::vector<Entry> open_;
  bool written_ = false;  // committed_, by the open transaction
};

}  // namespace preload
