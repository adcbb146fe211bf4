// SPDX-License-Identifier: Apache-2.0
#include "preload/store/store.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "preload/base/text.h"
#include "preload/sql.h"
#include "preload/store/exec_lists.h"
#include "preload/store/history_file.h"
#include "preload/store/outbox.h"
#include "preload/store/terms.h"

namespace preload {
namespace {

// maintain() makes a log empty that is larger than this.
constexpr uint64_t kTruncatedWal = uint64_t{8} << 20;
// While a reader keeps the log larger than this, only what is new is written.
constexpr uint64_t kHoldingWal = uint64_t{32} << 20;

constexpr std::string_view kCreatedAt = "created_at";

std::string_view key_of(Milestone milestone) {
  return milestone == Milestone::kBaselineTaken ? "baseline_at"
                                                : "learning_ended_at";
}

}  // namespace

class Store::Impl {
 public:
  Impl(HistoryFile history, const Clock& wall)
      : file(std::move(history)), clock(wall) {}

  Status prepare() {
    Status done = terms.prepare();
    if (done)
      done = lists.prepare();
    if (done)
      done = outbox.prepare();
    if (!done)
      return done;
    return prepare_all(database,
                       {{&coverage_add, sql::statements_coverage_add},
                        {&exception_add, sql::statements_exception_add},
                        {&meta_get, sql::statements_meta_get},
                        {&meta_add, sql::statements_meta_add},
                        {&term_total, sql::statements_term_total},
                        {&prune[0], sql::statements_prune_sightings},
                        {&prune[1], sql::statements_prune_alerts},
                        {&prune[2], sql::statements_prune_terms},
                        {&prune[3], sql::statements_prune_missed},
                        {&prune[4], sql::statements_prune_unaudited}});
  }

  Status begin() { return database.begin(); }

  Status commit() {
    if (Status done = database.commit(); !done)
      return done;
    terms.commit();
    lists.commit();
    return {};
  }

  void rollback() {
    database.rollback();
    terms.rollback();
    lists.rollback();
  }

  // Runs `body`, which gives a Status or Result, in the open transaction or
  // one of its own.
  template <class Body>
  std::invoke_result_t<Body> within(Body&& body) {
    if (database.in_transaction())
      return body();
    if (Status begun = begin(); !begun)
      return tl::unexpected(begun.error());
    auto result = body();
    if (result) {
      if (Status done = commit(); !done)
        result = tl::unexpected(done.error());
    }
    if (!result)
      rollback();
    return result;
  }

  Result<std::optional<int64_t>> meta(std::string_view key) {
    Cursor row = meta_get.query(key);
    const Result<bool> found = row.next();
    if (!found)
      return tl::unexpected(found.error());
    return *found ? std::optional(row.integer(0)) : std::nullopt;
  }

  Status read_birth() {
    const int64_t now = clock.wall_us();
    if (Status added =
            within([&]() -> Status { return meta_add.run(kCreatedAt, now); });
        !added)
      return added;
    const auto stored = meta(kCreatedAt);
    if (!stored)
      return tl::unexpected(stored.error());
    created_at_us = stored->value_or(now);
    return {};
  }

  // A reader keeps the log from shrinking: rows that can wait do.
  bool held_back() {
    if (database.wal_bytes() <= kHoldingWal)
      return false;
    (void)database.checkpoint(true);
    return database.wal_bytes() > kHoldingWal;
  }

  Status write_batches() {
    if (terms.idle() && lists.idle())
      return {};
    return within([&]() -> Status {
      if (Status done = terms.write(); !done)
        return done;
      return lists.write();
    });
  }

  HistoryFile file;
  Database& database = *file.database;
  const Clock& clock;
  int64_t created_at_us = 0;
  Terms terms{database};
  ExecLists lists{database};
  Outbox outbox{database, clock};
  Statement coverage_add;
  Statement exception_add;
  Statement meta_get;
  Statement meta_add;
  Statement term_total;
  std::array<Statement, 5> prune;  // in this order
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Store::~Store() {
  if (impl_->database.in_transaction())
    impl_->rollback();
  (void)impl_->write_batches();
}

Result<std::unique_ptr<Store>> Store::open(const std::string& path,
                                           const Clock& clock) {
  Result<HistoryFile> file = open_history(path);
  if (!file)
    return tl::unexpected(file.error());
  auto impl = std::make_unique<Impl>(std::move(*file), clock);
  Status ready = impl->prepare();
  if (ready)
    ready = impl->read_birth();
  // What the look-ups of an earlier run did not finish.
  if (ready)
    ready = impl->within([&] { return impl->outbox.set_all_ready(); });
  if (!ready)
    return tl::unexpected(ready.error());
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

bool Store::created() const {
  return impl_->file.created;
}

int64_t Store::created_at_us() const {
  return impl_->created_at_us;
}

Result<bool> Store::reached(Milestone milestone) {
  const auto at = impl_->meta(key_of(milestone));
  if (!at)
    return tl::unexpected(at.error());
  return at->has_value();
}

Status Store::set_reached(Milestone milestone) {
  return impl_->within([&]() -> Status {
    return impl_->meta_add.run(key_of(milestone), impl_->clock.wall_us());
  });
}

Result<int64_t> Store::count_of(Verdict verdict) {
  return impl_->terms.count_of(verdict);
}

bool Store::in_place() const {
  return preload::in_place(impl_->file, impl_->database.path());
}

Status Store::begin() {
  return impl_->begin();
}

Status Store::commit() {
  return impl_->commit();
}

void Store::rollback() {
  impl_->rollback();
}

Result<std::optional<int64_t>> Store::last_counted(const Digest& term) {
  return impl_->terms.last_counted(term);
}

Result<bool> Store::stored(const Digest& term) {
  return impl_->terms.stored(term);
}

Result<std::vector<Alert>> Store::record(const ExecEvent& event,
                                         std::span<const Decision> decisions,
                                         const AlertSeverity& mark) {
  using Alerts = std::vector<Alert>;
  return impl_->within([&]() -> Result<Alerts> {
    Alerts alerts;
    std::optional<int64_t> exec_id;
    if (Status noted = impl_->terms.note_users(event); !noted)
      return tl::unexpected(noted.error());
    for (const Decision& decision : decisions) {
      if (decision.verdict == Verdict::kFlooded)
        continue;
      const Result<int64_t> term_id = impl_->terms.record(event, decision);
      if (!term_id)
        return tl::unexpected(term_id.error());
      if (event.origin == Origin::kUnaudited)
        impl_->lists.add_unaudited(*term_id, event);
      const bool capped = decision.verdict == Verdict::kCapped;
      if (decision.verdict != Verdict::kNew && !capped)
        continue;
      if (!exec_id) {
        const Result<int64_t> added = impl_->outbox.add_exec(event);
        if (!added)
          return tl::unexpected(added.error());
        exec_id = *added;
      }
      Result<Alert> alert = impl_->outbox.raise(
          *exec_id, *term_id, decision.term,
          capped ? AlertState::kCapped : AlertState::kQueued, mark);
      if (!alert)
        return tl::unexpected(alert.error());
      alerts.push_back(std::move(*alert));
    }
    return alerts;
  });
}

Result<Alert> Store::record_summary(const std::string& summary,
                                    const AlertSeverity& mark) {
  return impl_->within(
      [&] { return impl_->outbox.raise_summary(summary, mark); });
}

Status Store::note_user(uint32_t uid, const std::string& name) {
  return impl_->within([&] { return impl_->terms.note_user(uid, name); });
}

Status Store::record_missed(const ExecEvent& event) {
  return impl_->within([&]() -> Status {
    impl_->lists.add_missed(event);
    return impl_->terms.note_users(event);
  });
}

Status Store::add_coverage(const CoverageDelta& delta) {
  return impl_->within([&]() -> Status {
    return impl_->coverage_add.run(
        delta.day, delta.captured_at_exec, delta.captured_late, delta.unaudited,
        delta.missed[0], delta.missed[1], delta.missed[2], delta.missed[3]);
  });
}

Status Store::set_ready(int64_t alert_id, const AlertFacts* facts) {
  return impl_->within(
      [&] { return impl_->outbox.set_ready(alert_id, facts); });
}

Status Store::set_direct(int64_t alert_id) {
  return impl_->within([&] { return impl_->outbox.set_direct(alert_id); });
}

Status Store::set_sinks(std::span<const std::string> names) {
  return impl_->within([&] { return impl_->outbox.set_sinks(names); });
}

Status Store::set_position(const std::string& sink, int64_t alert_id) {
  return impl_->within(
      [&] { return impl_->outbox.set_position(sink, alert_id); });
}

Status Store::add_exception_hits(const std::string& text, uint64_t hits,
                                 int64_t last_hit_us) {
  return impl_->within([&]() -> Status {
    return impl_->exception_add.run(escaped(text), hits, last_hit_us);
  });
}

Status Store::flush() {
  if (impl_->held_back())
    return {};
  return impl_->write_batches();
}

Result<size_t> Store::prune(int64_t before_us, size_t limit) {
  if (impl_->held_back())
    return 0;
  return impl_->within([&]() -> Result<size_t> {
    // What waits may be a sighting that keeps a row.
    if (Status written = impl_->write_batches(); !written)
      return tl::unexpected(written.error());
    size_t deleted = 0;
    for (Statement& step : impl_->prune) {
      if (deleted >= limit)
        break;
      if (Status done = step.run(before_us, limit - deleted); !done)
        return tl::unexpected(done.error());
      deleted += static_cast<size_t>(impl_->database.changes());
    }
    if (deleted > 0)
      impl_->terms.forget();
    return deleted;
  });
}

Status Store::maintain() {
  const uint64_t waiting = impl_->database.wal_bytes();
  if (waiting == 0)
    return {};
  return impl_->database.checkpoint(waiting > kTruncatedWal);
}

uint64_t Store::take_refused_sightings() {
  return impl_->terms.take_refused();
}

Result<int64_t> Store::term_count() {
  Cursor row = impl_->term_total.query();
  const Result<bool> found = row.next();
  if (!found)
    return tl::unexpected(found.error());
  return *found ? row.integer(0) : 0;
}

}  // namespace preload
