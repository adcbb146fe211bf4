// SPDX-License-Identifier: Apache-2.0
// Tables `term`, `sighting` and `user`, with what is known of them in memory:
// a known term of a known program and user costs two hash look-ups.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "preload/base/digest.h"
#include "preload/base/result.h"
#include "preload/detect/new_terms.h"
#include "preload/store/counts.h"
#include "preload/store/recent_map.h"
#include "preload/store/sqlite.h"

namespace preload {

// Part of the store: within its transactions, on its thread.
class Terms {
 public:
  // Entries of each cache, and rows whose counts may wait.
  static constexpr size_t kCached = 16'384;
  static constexpr size_t kBatched = 16'384;
  // A user who copies a program to ever new names makes no more rows than
  // this of one term; the term goes on counting.
  static constexpr int64_t kSightingsPerTerm = 4096;
  // Longer paths are looked up in the database: what is cached is bounded.
  static constexpr size_t kCachedPathBytes = 256;

  explicit Terms(Database& database) : database_(database) {}
  Status prepare();

  Result<std::optional<int64_t>> last_counted(const Digest& digest);
  Result<bool> stored(const Digest& digest);
  // Records one decision of an event; gives the row of the term.
  Result<int64_t> record(const ExecEvent& event, const Decision& decision);
  // The names of the event's users, where they are known.
  Status note_users(const ExecEvent& event);

  void commit();
  void rollback();
  [[nodiscard]] bool crowded() const {
    return terms_seen_.size() + sightings_seen_.size() >= kBatched;
  }
  [[nodiscard]] bool idle() const {
    return terms_seen_.empty() && sightings_seen_.empty();
  }
  // Writes the batched counts, within the open transaction.
  Status write();
  // Empties the caches: rows were deleted.
  void forget();

 private:
  struct Known {
    int64_t term_id = 0;
    int64_t last_counted_us = kNever;
  };
  struct Place {
    int64_t term_id = 0;
    uint32_t uid = 0;
    std::string executable;
  };
  struct PlaceView {
    int64_t term_id = 0;
    uint32_t uid = 0;
    std::string_view executable;
  };
  struct PlaceHash {
    using is_transparent = void;
    size_t operator()(const PlaceView& place) const;
    size_t operator()(const Place& place) const {
      return (*this)(PlaceView{place.term_id, place.uid, place.executable});
    }
  };
  struct PlaceEqual {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return a.term_id == b.term_id && a.uid == b.uid &&
             a.executable == b.executable;
    }
  };

  // Null when there is no such term.
  Result<Known*> find(const Digest& digest);
  Result<Known*> insert(const ExecEvent& event, const Decision& decision);
  Status record_sighting(int64_t term_id, const ExecEvent& event,
                         const Seen& seen);
  Status note_user(uint32_t uid, const std::string& name);

  Database& database_;
  RecentMap<Digest, Known, DigestHash> known_{kCached};
  // Rows of sightings; 0 for those that kSightingsPerTerm keeps out.
  RecentMap<Place, int64_t, PlaceHash, PlaceEqual> places_{kCached};
  std::unordered_map<uint32_t, std::string> users_;
  Counts terms_seen_;
  Counts sightings_seen_;

  Statement term_find_;
  Statement term_add_;
  Statement term_renew_;
  Statement term_seen_;
  Statement sighting_find_;
  Statement sighting_add_;
  Statement sighting_seen_;
  Statement user_set_;
};

}  // namespace preload
