// SPDX-License-Identifier: Apache-2.0
#include "preload/store/terms.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "preload/base/text.h"
#include "preload/sql.h"

namespace preload {
namespace {

constexpr size_t kCachedUsers = 4096;
// The disk space of a sighting: the path is in the row and in an index, where a
// long one has a page of its own.
uint64_t sighting_bytes(uint64_t path) {
  constexpr uint64_t kRest = 100;
  constexpr uint64_t kLongPath = 900;
  constexpr uint64_t kPage = 4096;
  return kRest + 2 * path + (path > kLongPath ? kPage : 0);
}
constexpr int64_t kDayMicros = 86'400'000'000;

// The state of a term after a verdict that changes it.
std::string_view state_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNew:
      return "alerted";
    case Verdict::kCapped:
      return "capped";
    case Verdict::kExcepted:
      return "excepted";
    case Verdict::kLearned:
      return "learned";
    case Verdict::kBaseline:
      return "baseline";
    case Verdict::kKnown:
    case Verdict::kRecorded:
    case Verdict::kFlooded:
      return "recorded";
  }
  return "recorded";
}

std::optional<std::string> context_of(const Term& term) {
  if (term.context.empty())
    return std::nullopt;
  nlohmann::json values = nlohmann::json::array();
  for (const std::string& value : term.context)
    values.push_back(escaped(value));
  return values.dump();
}

std::optional<int64_t> unless_never(int64_t time_us) {
  return time_us == kNever ? std::nullopt : std::optional(time_us);
}

}  // namespace

size_t Terms::PlaceHash::operator()(const Place& place) const {
  const size_t path = std::hash<std::string>{}(place.executable);
  const auto numbers = static_cast<size_t>(place.term_id) * 31 + place.uid;
  return path ^ (numbers * 0x9e3779b97f4a7c15U);
}

Result<Terms::Known*> Terms::find(const Digest& digest) {
  if (Known* known = known_.find(digest))
    return known;
  std::optional<Known> known;
  const auto take = [&](const Cursor& row) {
    known = {row.integer(0), row.is_null(1) ? kNever : row.integer(1)};
  };
  if (Status found =
          database_.each_row(sql::statements_term_find, take, digest);
      !found)
    return tl::unexpected(found.error());
  if (!known)
    return nullptr;
  known->last_counted_us = std::max(
      known->last_counted_us, terms_seen_.last_counted_us(known->term_id));
  return known_.insert(digest, *known);
}

Result<std::optional<int64_t>> Terms::last_counted(const Digest& digest) {
  return find(digest).map([](const Known* known) {
    return known == nullptr ? std::nullopt
                            : unless_never(known->last_counted_us);
  });
}

Result<bool> Terms::stored(const Digest& digest) {
  return find(digest).map([](const Known* known) { return known != nullptr; });
}

Result<int64_t> Terms::count_of(Verdict verdict) {
  return database_.integer(sql::statements_term_in_state, state_of(verdict));
}

Result<Terms::Known*> Terms::insert(const ExecEvent& event,
                                    const Decision& decision) {
  const Term& term = decision.term;
  const bool counts = counts_as_history(decision.verdict);
  const std::string value = escaped(term.value);
  std::optional<Blob> exact;
  if (value != term.value)
    exact = Blob{term.value};
  const Result<int64_t> row = database_.insert(
      sql::statements_term_add, term.digest, escaped(term.variable), value,
      exact, context_of(term), state_of(decision.verdict),
      to_string(event.origin), event.time_us,
      counts ? std::optional(event.time_us) : std::nullopt,
      escaped(event.executable), event.uid);
  return row.map([&](int64_t term_id) {
    return known_.insert(term.digest,
                         {term_id, counts ? event.time_us : kNever});
  });
}

Result<int64_t> Terms::record(const ExecEvent& event,
                              const Decision& decision) {
  Result<Known*> known = find(decision.term.digest);
  if (!known)
    return tl::unexpected(known.error());

  const Verdict verdict = decision.verdict;
  const bool counts = counts_as_history(verdict);
  const Seen seen = Seen::once(event.time_us, counts);
  Place place{0, event.executable, event.uid, quota_owner_of(event)};
  bool batched = false;
  if (*known == nullptr) {
    known = insert(event, decision);
    if (!known)
      return tl::unexpected(known.error());
  } else if (verdict == Verdict::kKnown || !counts) {
    terms_seen_.add((*known)->term_id, seen);
    batched = true;
  } else {
    const Status renewed =
        database_.run(sql::statements_term_renew, (*known)->term_id,
                      state_of(verdict), event.time_us);
    if (!renewed)
      return tl::unexpected(renewed.error());
  }
  (*known)->last_counted_us =
      std::max((*known)->last_counted_us, seen.last_counted_us);
  place.term_id = (*known)->term_id;
  if (batched) {
    path_bytes_ += place.executable.size();
    sightings_seen_.add(std::move(place), seen);
  } else if (Status done = write_sighting(place, seen); !done) {
    return tl::unexpected(done.error());
  }
  return (*known)->term_id;
}

Status Terms::write_sighting(const Place& place, const Seen& seen) {
  const std::string executable = escaped(place.executable);
  if (Status updated =
          database_.run(sql::statements_sighting_seen, place.term_id,
                        executable, place.uid, seen.count, seen.last_seen_us);
      !updated || database_.changes() != 0)
    return updated;
  const Result<int64_t*> rows = rows_of(place.term_id);
  if (!rows)
    return tl::unexpected(rows.error());
  if (**rows >= kSightingsPerTerm)
    return {};
  if (!charge(place.owner, sighting_bytes(executable.size()),
              seen.last_seen_us)) {
    ++refused_;
    return {};
  }
  if (Status added = database_.run(sql::statements_sighting_add, place.term_id,
                                   executable, place.uid, seen.count,
                                   seen.first_seen_us, seen.last_seen_us);
      !added)
    return added;
  **rows += database_.changes();
  return {};
}

Result<int64_t*> Terms::rows_of(int64_t term_id) {
  if (int64_t* rows = rows_.find(term_id))
    return rows;
  return database_
      .integer(sql::statements_sighting_count, term_id, kSightingsPerTerm)
      .map([&](int64_t count) { return rows_.insert(term_id, count); });
}

bool Terms::charge(QuotaOwner owner, uint64_t bytes, int64_t now_us) {
  if (owner.is_root())
    return true;
  // Events of the day before may still come; a clock may be set back further.
  if (const int64_t day = now_us / kDayMicros;
      day > charged_day_ || day < charged_day_ - 1) {
    charged_.clear();
    charged_day_ = day;
  }
  if (charged_.size() >= kOwners && !charged_.contains(owner))
    owner = QuotaOwner{};
  uint64_t& charged = charged_[owner];
  if (charged + bytes > kSightingBytesPerDay)
    return false;
  charged += bytes;
  return true;
}

Status Terms::note_users(const ExecEvent& event) {
  if (Status done = note_user(event.uid, event.user); !done)
    return done;
  return note_user(event.auid, event.login_user);
}

Status Terms::note_user(uint32_t uid, const std::string& name) {
  if (name.empty() || uid == kUnsetId)
    return {};
  const auto hit = users_.find(uid);
  if (hit != users_.end() && hit->second == name)
    return {};
  if (Status set = database_.run(sql::statements_user_set, uid, escaped(name));
      !set)
    return set;
  if (users_.size() >= kCachedUsers)
    users_.clear();
  users_[uid] = name;
  return {};
}

void Terms::commit() {
  terms_seen_.commit();
  sightings_seen_.commit();
}

void Terms::rollback() {
  terms_seen_.rollback();
  sightings_seen_.rollback();
  forget();
}

void Terms::forget() {
  known_.clear();
  users_.clear();
  rows_.clear();
}

Status Terms::write() {
  Status done = terms_seen_.write([this](int64_t row,
                                         const Seen& seen) -> Status {
    return database_.run(sql::statements_term_seen, row, seen.count,
                         seen.last_seen_us, unless_never(seen.last_counted_us));
  });
  if (done)
    done = sightings_seen_.write([this](const Place& place, const Seen& seen) {
      return write_sighting(place, seen);
    });
  return done;
}

void Terms::clear() {
  terms_seen_.clear();
  sightings_seen_.clear();
  path_bytes_ = 0;
}

}  // namespace preload
