// SPDX-License-Identifier: Apache-2.0
#include "preload/store/store.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "preload/base/text.h"
#include "preload/sql.h"
#include "preload/store/event_json.h"
#include "preload/store/outbox.h"

namespace preload {
namespace {

// maintain() makes a log empty that is larger than this.
constexpr uint64_t kTruncatedWal = uint64_t{8} << 20;
// While a reader keeps the log larger than this, only what is new is written.
constexpr uint64_t kPutOffWal = uint64_t{32} << 20;

constexpr std::string_view kCreatedAt = "created_at";

// In this order: see the statements.
constexpr std::array<std::string_view, 5> kPrune{
    sql::statements_prune_sightings, sql::statements_prune_alerts,
    sql::statements_prune_terms, sql::statements_prune_missed,
    sql::statements_prune_unaudited};

std::string_view key_of(Milestone milestone) {
  return milestone == Milestone::kBaselineTaken ? "baseline_at"
                                                : "learning_ended_at";
}

std::optional<std::string> audit_id(const ExecEvent& event) {
  if (event.audit.serial == 0)
    return std::nullopt;
  return to_string(event.audit);
}

}  // namespace

// ---- Opening

Result<std::unique_ptr<Store>> Store::open(const std::string& path,
                                           const Clock& clock,
                                           const Timing& timing) {
  Result<HistoryFile> file = open_history(path, timing);
  if (!file)
    return tl::unexpected(file.error());
  std::unique_ptr<Store> store(new Store(std::move(*file), clock));
  if (Status ready = store->prepare(); !ready)
    return tl::unexpected(ready.error());
  return store;
}

Status Store::prepare() {
  return database_.transact([this]() -> Status {
    // Alerts whose look-ups an earlier run did not finish.
    Status done = database_.run(sql::statements_alert_all_ready);
    if (done)
      done =
          database_.run(sql::statements_meta_add, kCreatedAt, clock_.wall_us());
    if (!done)
      return done;
    return database_.integer(sql::statements_meta_get, kCreatedAt)
        .map([this](int64_t at_us) { created_at_us_ = at_us; });
  });
}

Store::~Store() {
  if (database_.in_transaction())
    rollback();
  (void)write_batches();
}

Result<OpenedStore> open_or_recreate(const std::string& path,
                                     const Clock& clock, const Timing& timing) {
  OpenedStore opened;
  auto store = Store::open(path, clock, timing);
  if (!store && is_corrupt(store.error())) {
    auto moved = move_damaged(path, clock.wall_us());
    if (!moved)
      return tl::unexpected(moved.error());
    opened.moved_to = std::move(*moved);
    store = Store::open(path, clock, timing);
  }
  if (!store)
    return tl::unexpected(store.error());
  opened.store = std::move(*store);
  return opened;
}

Result<bool> Store::reached(Milestone milestone) {
  return database_.integer(sql::statements_meta_get, key_of(milestone))
      .map([](int64_t at_us) { return at_us != 0; });
}

Status Store::set_reached(Milestone milestone) {
  return database_.run(sql::statements_meta_add, key_of(milestone),
                       clock_.wall_us());
}

// ---- Transactions

Status Store::begin(bool durable) {
  if (terms_.crowded())
    if (Status written = write_batches(); !written)
      return written;
  if (Status set = database_.set_durable(durable); !set)
    return set;
  return database_.begin();
}

Status Store::commit() {
  if (Status done = database_.commit(); !done)
    return done;
  terms_.commit();
  lists_.commit();
  return {};
}

void Store::rollback() {
  database_.rollback();
  terms_.rollback();
  lists_.rollback();
}

// ---- Execs and alerts

Result<std::vector<Alert>> Store::record(const ExecEventPtr& event,
                                         std::span<const Decision> decisions,
                                         const AlertSeverity& severity) {
  std::vector<Alert> alerts;
  std::optional<int64_t> exec_id;
  if (Status noted = terms_.note_users(*event); !noted)
    return tl::unexpected(noted.error());
  for (const Decision& decision : decisions) {
    if (decision.verdict == Verdict::kFlooded)
      continue;
    const Result<int64_t> term_id = terms_.record(*event, decision);
    if (!term_id)
      return tl::unexpected(term_id.error());
    if (event->origin == Origin::kUnaudited)
      lists_.add_unaudited(*term_id, *event);
    if (decision.verdict != Verdict::kNew &&
        decision.verdict != Verdict::kCapped)
      continue;
    if (!exec_id) {
      const Result<int64_t> added = database_.insert(
          sql::statements_alert_exec_add, event->time_us, event->pid,
          audit_id(*event), escaped(event->executable),
          escaped(command_line(event->argv)), event->uid, event->auid,
          to_string(event->capture), to_json(*event));
      if (!added)
        return tl::unexpected(added.error());
      exec_id = *added;
    }
    Alert& alert = alerts.emplace_back();
    alert.term = decision.term;
    alert.capped = decision.verdict == Verdict::kCapped;
    if (!alert.capped)
      alert.event = event_for(decision.term, event);
    if (auto added = add_alert(alert, *term_id, exec_id, severity); !added)
      return tl::unexpected(added.error());
  }
  return alerts;
}

Result<Alert> Store::record_summary(const std::string& summary,
                                    const AlertSeverity& severity) {
  Alert alert;
  alert.kind = AlertKind::kSummary;
  alert.summary = summary;
  return add_alert(alert, std::nullopt, std::nullopt, severity)
      .map([&](int64_t /*id*/) { return alert; });
}

// Only a new term's alert that will be sent waits for its facts.
Result<int64_t> Store::add_alert(Alert& alert, std::optional<int64_t> term_id,
                                 std::optional<int64_t> exec_id,
                                 const AlertSeverity& severity) {
  const bool is_summary = alert.kind == AlertKind::kSummary;
  alert.raised_at_us = clock_.wall_us();
  alert.severity = severity.severity;
  alert.risk_score = severity.risk_score;
  const Result<int64_t> added = database_.insert(
      sql::statements_alert_add, is_summary ? kSummaryKind : kNewTermKind,
      alert.capped ? "capped" : "queued", is_summary || alert.capped,
      alert.raised_at_us, term_id, exec_id, alert.severity, alert.risk_score,
      is_summary ? std::optional(alert.summary) : std::nullopt);
  if (added)
    alert.alert_id = *added;
  return added;
}

Status Store::set_ready(int64_t alert_id, const AlertFacts* facts) {
  std::optional<std::string> json;
  if (facts != nullptr)
    json = to_json(*facts);
  return database_.run(sql::statements_alert_ready, alert_id, json);
}

Status Store::set_direct(int64_t alert_id) {
  return database_.run(sql::statements_alert_direct, alert_id);
}

Status Store::set_sinks(std::span<const std::string> names) {
  const std::vector<std::string> list(names.begin(), names.end());
  Status done =
      database_.run(sql::statements_sink_remove, nlohmann::json(list).dump());
  for (const std::string& name : names)
    if (done)
      done = database_.run(sql::statements_sink_configure, name);
  return done;
}

Status Store::set_position(const std::string& sink, int64_t alert_id) {
  return database_.run(sql::statements_sink_position, sink, alert_id);
}

// ---- Missed execs, counts

Status Store::record_missed(const ExecEvent& event) {
  lists_.add_missed(event);
  return terms_.note_users(event);
}

Status Store::add_coverage(const CoverageDelta& delta) {
  return database_.run(sql::statements_coverage_add, delta.day,
                       delta.captured_at_exec, delta.captured_late,
                       delta.unaudited, delta.missed[0], delta.missed[1],
                       delta.missed[2], delta.missed[3]);
}

Status Store::add_exception_hits(const std::string& text, uint64_t hits,
                                 int64_t last_hit_us) {
  return database_.run(sql::statements_exception_add, escaped(text), hits,
                       last_hit_us);
}

Result<int64_t> Store::term_count() {
  return database_.integer(sql::statements_term_total);
}

// ---- From time to time

// True while a reader keeps the log from shrinking.
bool Store::put_off() {
  if (database_.wal_bytes() <= kPutOffWal)
    return false;
  (void)database_.checkpoint(true);
  return database_.wal_bytes() > kPutOffWal;
}

Status Store::write_batches() {
  if (terms_.empty() && lists_.empty())
    return {};
  const Status done = database_.transact([this]() -> Status {
    if (Status written = terms_.write(); !written)
      return written;
    return lists_.write(database_);
  });
  if (done) {
    terms_.clear();
    lists_.clear();
  } else {
    terms_.forget();
  }
  return done;
}

Status Store::flush() {
  return put_off() ? Status() : write_batches();
}

Result<size_t> Store::prune(int64_t before_us, size_t limit) {
  if (put_off())
    return 0;
  // What waits may be a sighting that keeps a row.
  if (Status written = write_batches(); !written)
    return tl::unexpected(written.error());
  return database_.transact([&]() -> Result<size_t> {
    size_t deleted = 0;
    for (const std::string_view sql : kPrune) {
      if (deleted >= limit)
        break;
      if (Status done = database_.run(sql, before_us, limit - deleted); !done)
        return tl::unexpected(done.error());
      deleted += static_cast<size_t>(database_.changes());
    }
    if (deleted > 0)
      terms_.forget();
    return deleted;
  });
}

Status Store::maintain() {
  const uint64_t waiting = database_.wal_bytes();
  if (waiting == 0)
    return {};
  return database_.checkpoint(waiting > kTruncatedWal);
}

}  // namespace preload
