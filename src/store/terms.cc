// SPDX-License-Identifier: Apache-2.0
#include "preload/store/terms.h"

#include <algorithm>
#include <array>
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
  constexpr std::array<std::string_view, 8> kByVerdict{
      "recorded", "alerted",  "capped",   "excepted",
      "learned",  "baseline", "recorded", "recorded"};
  return kByVerdict.at(static_cast<size_t>(verdict));
}

std::optional<std::string> context_of(const Term& term) {
  if (term.context.empty())
    return std::nullopt;
  nlohmann::json values = nlohmann::json::array();
  for (const std::string& value : term.context)
    values.push_back(escaped(value));
  return values.dump();
}

}  // namespace

void Terms::Seen::add(const Seen& more) {
  if (count == 0)
    first_seen_us = more.first_seen_us;
  count += more.count;
  last_seen_us = std::max(last_seen_us, more.last_seen_us);
  last_counted_us = std::max(last_counted_us, more.last_counted_us);
}

Terms::Known* Terms::remember(const Digest& digest, const Known& known) {
  if (known_.size() >= kCached)
    known_.clear();
  return &known_.emplace(digest, known).first->second;
}

Result<Terms::Known*> Terms::find(const Digest& digest) {
  if (const auto hit = known_.find(digest); hit != known_.end())
    return &hit->second;
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
  known->last_counted_us =
      std::max(known->last_counted_us, last_waiting_us(known->term_id));
  return remember(digest, *known);
}

// The last sighting that counts as history, of those not in the database.
int64_t Terms::last_waiting_us(int64_t term_id) const {
  int64_t last = kNever;
  if (const auto places = waiting_.find(term_id); places != waiting_.end())
    for (const auto& [place, seen] : places->second)
      last = std::max(last, seen.last_counted_us);
  for (const Sighting& sighting : open_)
    if (sighting.term_id == term_id)
      last = std::max(last, sighting.seen.last_counted_us);
  return last;
}

Result<std::optional<int64_t>> Terms::last_counted(const Digest& digest) {
  return find(digest).map([](const Known* known) -> std::optional<int64_t> {
    if (known == nullptr || known->last_counted_us == kNever)
      return std::nullopt;
    return known->last_counted_us;
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
    return remember(term.digest, {term_id, counts ? event.time_us : kNever});
  });
}

Result<int64_t> Terms::record(const ExecEvent& event,
                              const Decision& decision) {
  Result<Known*> known = find(decision.term.digest);
  if (!known)
    return tl::unexpected(known.error());

  const Verdict verdict = decision.verdict;
  const bool counts = counts_as_history(verdict);
  const Seen seen{1, event.time_us, event.time_us,
                  counts ? event.time_us : kNever};
  Place place{event.executable, event.uid, quota_owner_of(event)};
  bool waits = false;
  if (*known == nullptr) {
    known = insert(event, decision);
    if (!known)
      return tl::unexpected(known.error());
  } else if (verdict == Verdict::kKnown || !counts) {
    waits = true;
  } else {
    const Status renewed =
        database_.run(sql::statements_term_renew, (*known)->term_id,
                      state_of(verdict), event.time_us);
    if (!renewed)
      return tl::unexpected(renewed.error());
  }
  (*known)->last_counted_us =
      std::max((*known)->last_counted_us, seen.last_counted_us);
  const int64_t term_id = (*known)->term_id;
  if (waits)
    open_.push_back({term_id, std::move(place), seen});
  else if (Status done = write_sighting(term_id, place, seen); !done)
    return tl::unexpected(done.error());
  return term_id;
}

Status Terms::write_sighting(int64_t term_id, const Place& place,
                             const Seen& seen) {
  const std::string executable = escaped(place.executable);
  if (Status updated =
          database_.run(sql::statements_sighting_seen, term_id, executable,
                        place.uid, seen.count, seen.last_seen_us);
      !updated || database_.changes() != 0)
    return updated;
  const Result<int64_t*> rows = rows_of(term_id);
  if (!rows)
    return tl::unexpected(rows.error());
  if (**rows >= kSightingsPerTerm)
    return {};
  if (!charge(place.owner, sighting_bytes(executable.size()),
              seen.last_seen_us)) {
    ++refused_;
    return {};
  }
  if (Status added = database_.run(sql::statements_sighting_add, term_id,
                                   executable, place.uid, seen.count,
                                   seen.first_seen_us, seen.last_seen_us);
      !added)
    return added;
  **rows += database_.changes();
  return {};
}

Result<int64_t*> Terms::rows_of(int64_t term_id) {
  if (const auto hit = rows_.find(term_id); hit != rows_.end())
    return &hit->second;
  return database_
      .integer(sql::statements_sighting_count, term_id, kSightingsPerTerm)
      .map([&](int64_t count) {
        if (rows_.size() >= kCached)
          rows_.clear();
        return &rows_.emplace(term_id, count).first->second;
      });
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
  for (Sighting& sighting : open_) {
    const auto [entry, added] =
        waiting_[sighting.term_id].try_emplace(std::move(sighting.place));
    entry->second.add(sighting.seen);
    if (added) {
      ++places_;
      path_bytes_ += entry->first.executable.size();
    }
  }
  open_.clear();
}

void Terms::rollback() {
  open_.clear();
  forget();
}

void Terms::forget() {
  known_.clear();
  users_.clear();
  rows_.clear();
}

Status Terms::write() {
  for (const auto& [term_id, places] : waiting_) {
    Seen all;
    for (const auto& [place, seen] : places) {
      if (Status done = write_sighting(term_id, place, seen); !done)
        return done;
      all.add(seen);
    }
    std::optional<int64_t> last_counted_us;
    if (all.last_counted_us != kNever)
      last_counted_us = all.last_counted_us;
    if (Status done =
            database_.run(sql::statements_term_seen, term_id, all.count,
                          all.last_seen_us, last_counted_us);
        !done)
      return done;
  }
  return {};
}

void Terms::clear() {
  waiting_.clear();
  places_ = path_bytes_ = 0;
}

}  // namespace preload
