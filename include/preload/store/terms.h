// SPDX-License-Identifier: Apache-2.0
// Tables `term`, `sighting` and `user`, with what is known of them in memory:
// a known term costs hash look-ups, its counts and sightings wait for write().
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "preload/base/digest.h"
#include "preload/base/result.h"
#include "preload/detect/new_terms.h"
#include "preload/detect/quotas.h"
#include "preload/store/counts.h"
#include "preload/store/recent_map.h"
#include "preload/store/sqlite.h"

namespace preload {

// Part of the store, on its thread. What changes rows needs an open
// transaction.
class Terms {
 public:
  // Terms of the cache, and terms or sightings whose counts may wait.
  static constexpr size_t kCached = 16'384;
  static constexpr size_t kBatched = 16'384;
  static constexpr size_t kBatchedPathBytes = size_t{4} << 20;
  // A user who copies a program to ever new names makes no more rows than
  // this of one term; the term goes on counting.
  static constexpr int64_t kSightingsPerTerm = 4096;
  // No quota owner makes more bytes of rows than this, of all terms, in a day;
  // root has no limit, and those beyond the first kOwners have one account.
  static constexpr uint64_t kSightingBytesPerDay = uint64_t{64} << 20;
  static constexpr size_t kOwners = 1024;

  explicit Terms(Database& database) : database_(database) {}

  Result<std::optional<int64_t>> last_counted(const Digest& digest);
  Result<bool> stored(const Digest& digest);
  // Records one decision of an event; gives the row of the term.
  Result<int64_t> record(const ExecEvent& event, const Decision& decision);
  Result<int64_t> count_of(Verdict verdict);
  // The names of the event's users, where they are known.
  Status note_users(const ExecEvent& event);
  Status note_user(uint32_t uid, const std::string& name);

  // As Counts: what is added in a transaction, and what waits for write().
  void commit();
  void rollback();
  [[nodiscard]] bool empty() const {
    return terms_seen_.size() + sightings_seen_.size() == 0;
  }
  // True when no more should wait.
  [[nodiscard]] bool crowded() const {
    return terms_seen_.size() >= kBatched ||
           sightings_seen_.size() >= kBatched ||
           path_bytes_ >= kBatchedPathBytes;
  }
  Status write();
  void clear();
  // Empties the caches: rows were deleted.
  void forget();
  // Sightings that kSightingBytesPerDay refused, since the last call.
  [[nodiscard]] uint64_t take_refused() { return std::exchange(refused_, 0); }

 private:
  struct Known {
    int64_t term_id = 0;
    int64_t last_counted_us = kNever;
  };
  // Where a term was seen.
  struct Place {
    int64_t term_id = 0;
    std::string executable;
    uint32_t uid = 0;
    QuotaOwner owner;  // charged with the row
    auto operator<=>(const Place&) const = default;
  };
  struct PlaceHash {
    size_t operator()(const Place& place) const;
  };

  // Null when there is no such term.
  Result<Known*> find(const Digest& digest);
  Result<Known*> insert(const ExecEvent& event, const Decision& decision);
  Status write_sighting(const Place& place, const Seen& seen);
  Result<int64_t*> rows_of(int64_t term_id);
  // False when the owner's bytes of this day are used up.
  [[nodiscard]] bool charge(QuotaOwner owner, uint64_t bytes, int64_t now_us);

  Database& database_;
  RecentMap<Digest, Known, DigestHash> known_{kCached};
  std::unordered_map<uint32_t, std::string> users_;
  Counts<int64_t> terms_seen_;  // by row
  Counts<Place, PlaceHash> sightings_seen_;
  size_t path_bytes_ = 0;  // added to sightings_seen_
  // Rows in `sighting` by term: counting them costs as much as they are long.
  RecentMap<int64_t, int64_t, std::hash<int64_t>> rows_{kCached};
  std::map<QuotaOwner, uint64_t> charged_;  // bytes of charged_day_
  int64_t charged_day_ = 0;                 // since the epoch
  uint64_t refused_ = 0;
};

}  // namespace preload
