// SPDX-License-Identifier: Apache-2.0
// Tables `term`, `sighting` and `user`, with what is known of them in memory:
// a known term costs hash look-ups, its counts and sightings wait for write().
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "preload/base/digest.h"
#include "preload/base/result.h"
#include "preload/detect/new_terms.h"
#include "preload/detect/quotas.h"
#include "preload/store/sqlite.h"

namespace preload {

// Part of the store, on its thread. What changes rows needs an open
// transaction.
class Terms final : public History {
 public:
  // Terms of the cache, and sightings that may wait.
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

  Result<std::optional<int64_t>> last_counted(const Digest& digest) override;
  Result<bool> stored(const Digest& digest) override;
  // Records one decision of an event; gives the row of the term.
  Result<int64_t> record(const ExecEvent& event, const Decision& decision);
  // Terms that became what they are with this verdict. Looks at all terms.
  Result<int64_t> count_of(Verdict verdict);
  // The names of the event's users, where they are known.
  Status note_users(const ExecEvent& event);
  // The name of a user, for the views; empty: unknown.
  Status note_user(uint32_t uid, const std::string& name);

  // What the open transaction adds to the sightings that wait is kept apart
  // until commit(), so that rollback() drops it and nothing else.
  void commit();
  void rollback();
  [[nodiscard]] bool empty() const { return waiting_.empty(); }
  // True when no more should wait.
  [[nodiscard]] bool crowded() const {
    return places_ >= kBatched || path_bytes_ >= kBatchedPathBytes;
  }
  // Writes what waits; clear() when that is committed.
  Status write();
  void clear();
  // Empties the caches: rows were deleted.
  void forget();
  // Sightings that kSightingBytesPerDay refused, since the last call.
  [[nodiscard]] uint64_t take_refused() { return std::exchange(refused_, 0); }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

  struct Known {
    int64_t term_id = 0;
    int64_t last_counted_us = kNever;
  };
  // Where a term was seen.
  struct Place {
    std::string executable;
    uint32_t uid = 0;
    QuotaOwner owner;  // charged with the row
    auto operator<=>(const Place&) const = default;
  };
  struct Seen {
    int64_t count = 0;
    int64_t first_seen_us = kNever;  // the first that was added
    int64_t last_seen_us = kNever;
    int64_t last_counted_us = kNever;

    void add(const Seen& more);
  };
  struct Sighting {
    int64_t term_id = 0;
    Place place;
    Seen seen;
  };

  // Null when there is no such term. Valid until the next call.
  Result<Known*> find(const Digest& digest);
  Result<Known*> insert(const ExecEvent& event, const Decision& decision);
  Known* remember(const Digest& digest, const Known& known);
  [[nodiscard]] int64_t last_waiting_us(int64_t term_id) const;
  Status write_sighting(int64_t term_id, const Place& place, const Seen& seen);
  Result<int64_t*> rows_of(int64_t term_id);
  // False when the owner's bytes of this day are used up.
  [[nodiscard]] bool charge(QuotaOwner owner, uint64_t bytes, int64_t now_us);

  Database& database_;
  // Caches, emptied when they are full.
  std::unordered_map<Digest, Known, DigestHash> known_;
  std::unordered_map<uint32_t, std::string> users_;
  // Rows in `sighting` by term: counting them costs as much as they are long.
  std::unordered_map<int64_t, int64_t> rows_;

  // Sightings of known terms that wait for write(). In order of the rows:
  // neighbours share pages of the database.
  std::map<int64_t, std::map<Place, Seen>> waiting_;
  size_t places_ = 0;  // in waiting_, of all terms
  size_t path_bytes_ = 0;
  std::vector<Sighting> open_;  // of the open transaction

  std::map<QuotaOwner, uint64_t> charged_;  // bytes of charged_day_
  int64_t charged_day_ = 0;                 // since the epoch
  uint64_t refused_ = 0;
};

}  // namespace preload
