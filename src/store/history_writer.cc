// SPDX-License-Identifier: Apache-2.0
#include "preload/store/history_writer.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

#include "preload/base/log.h"
#include "preload/base/text.h"
#include "preload/store/sqlite.h"

namespace preload {
namespace {

constexpr size_t kQueueItems = 16'384;
constexpr size_t kQueueBytes = size_t{8} << 20;
constexpr size_t kLargeItem = kQueueBytes / 16;
// One transaction; what a crash in the middle would repeat.
constexpr size_t kBatch = 512;
constexpr size_t kPruneRows = 200;
constexpr std::string_view kTakenAway =
    "deleted or replaced while it was in use";
constexpr auto kIdle = std::chrono::milliseconds(1000);

}  // namespace

HistoryWriter::HistoryWriter(OpenedStore opened, Rule rule, Config config,
                             std::string config_file, Metrics& metrics,
                             const Clock& clock, OutboxFeed::Outlet outlet,
                             std::function<std::string(uint32_t)> user_name,
                             ThreadFailed failed, const Timing& timing)
    : store_(std::move(opened.store)),
      rule_(std::move(rule)),
      config_(std::move(config)),
      config_file_(std::move(config_file)),
      metrics_(metrics),
      clock_(clock),
      feed_(std::move(outlet)),
      failed_(std::move(failed)),
      queue_(kQueueItems, kQueueBytes),
      held_(metrics),
      tally_(metrics),
      user_name_(std::move(user_name)),
      timing_(timing) {
  learning_ = learns();
  if (!opened.moved_to.empty())
    announce(
        fmt::format("history lost: the database was damaged and is now "
                    "{}; a new one was begun",
                    escaped(opened.moved_to)));
  thread_ = start_thread(
      "store", [this] { run(); }, failed_);
}

HistoryWriter::~HistoryWriter() {
  stop();
}

void HistoryWriter::post(HistoryItem item) {
  const size_t bytes = weight(item);
  const auto user = owner(item);
  if (std::holds_alternative<MissedExec>(item) && queue_.half_full()) {
    metrics_.add(Metric::kMissedNotListed);
    return;
  }
  // Few can be as large as that, and they leave room for the others.
  const bool large = bytes > kLargeItem;
  const bool crowds = large && queue_.half_full();
  if (crowds || !queue_.try_push(std::move(item), bytes, user)) {
    metrics_.add(Metric::kEventsDropped);
    log_limited(LogLevel::kWarning, "store-queue-full",
                "the store queue is full, events are dropped: the database "
                "does not keep up; look at its disk, and at --check");
  } else if (large) {
    large_posted_ = true;  // afterwards, so that none is overlooked
  }
}

void HistoryWriter::settle(int64_t milliseconds) {
  auto reached = std::make_shared<std::promise<void>>();
  auto future = reached->get_future();
  post(Barrier{std::move(reached)});
  future.wait_for(std::chrono::milliseconds(milliseconds));
}

void HistoryWriter::stop() {
  if (!thread_.joinable())
    return;
  stopping_ = true;
  queue_.close();
  thread_.join();
}

void HistoryWriter::run() {
  while (true) {
    const bool last = stopping_;
    pulse_.beat();
    auto items = queue_.pop_all(kIdle);
    std::vector<std::shared_ptr<std::promise<void>>> reached;
    for (const HistoryItem& item : items)
      if (const auto* barrier = std::get_if<Barrier>(&item))
        reached.push_back(barrier->reached);
    process(std::move(items));
    if (large_posted_.exchange(false))
      ::malloc_trim(0);  // or the memory of the largest ever stays with us
    if (last)
      flush_due_ns_ = 0;
    maintain();
    for (const auto& promise : reached)
      promise->set_value();
    if (last)
      break;
  }
  if (!held_.empty())
    log_error(fmt::format(
        "{} events that were held could not be stored; their alerts were sent",
        held_.size()));
}

void HistoryWriter::process(std::vector<HistoryItem> items) {
  metrics_.set(Metric::kStoreQueue, items.size());
  metrics_.set(Metric::kStoreQueueHighWater, queue_.high_water());
  for (size_t done = 0; done < items.size();) {
    pulse_.beat();
    const auto batch =
        std::span(items).subspan(done, std::min(kBatch, items.size() - done));
    // Once more when a new database had to be begun.
    bool stored = false;
    for (int attempt = 0; !stored && !outage_ && attempt < 2; ++attempt) {
      const Status status = store_all(batch);
      stored = status.has_value();
      if (!stored)
        begin_holding(status.error());
    }
    if (!stored)
      for (HistoryItem& item : batch)
        hold(std::move(item));
    done += batch.size();
  }
}

// All or nothing; only what is committed is sent.
Status HistoryWriter::store_all(std::span<HistoryItem> items) {
  if (auto begun = store_->begin(); !begun)
    return begun;
  std::vector<Alert> alerts;
  Status status;
  for (HistoryItem& item : items) {
    pulse_.beat();
    status = apply(item, alerts);
    if (!status)
      break;
  }
  if (status)
    status = store_->commit();
  if (!status) {
    store_->rollback();
    metrics_.add(Metric::kStoreErrors);
    return status;
  }
  feed_.hand_over(alerts);
  return {};
}

Status HistoryWriter::apply(HistoryItem& item, std::vector<Alert>& alerts) {
  if (auto* exec = std::get_if<NewExec>(&item))
    return apply_exec(*exec, alerts);
  if (const auto* exec = std::get_if<AuditedAfterAll>(&item))
    return store_->complete(exec->event);
  if (const auto* exec = std::get_if<MissedExec>(&item))
    return store_->record_missed(exec->event);
  if (const auto* coverage = std::get_if<CoverageDeltas>(&item)) {
    for (const CoverageDelta& delta : coverage->deltas)
      if (auto added = store_->add_coverage(delta); !added)
        return added;
    return {};
  }
  if (const auto* acks = std::get_if<Acknowledged>(&item))
    return store_->acknowledge(acks->alert_ids);
  if (const auto* inspected = std::get_if<Inspected>(&item)) {
    for (const auto& [uid, name] : inspected->names)
      if (auto noted = store_->note_user(uid, name); !noted)
        return noted;
    return store_->add_facts(inspected->alert_id, inspected->facts);
  }
  if (const auto* config = std::get_if<NewConfig>(&item))
    return apply_config(config->config);
  if (const auto* done = std::get_if<InventoryDone>(&item))
    return end_inventory(done->processes, alerts);
  return {};  // a barrier
}

// The first inventory of a database is its baseline. Perhaps not at the first
// try: the database decides whether it was taken.
Status HistoryWriter::end_inventory(size_t processes,
                                    std::vector<Alert>& alerts) {
  const auto taken = store_->reached(Milestone::kBaselineTaken);
  if (!taken)
    return tl::unexpected(taken.error());
  if (*taken)
    return {};
  Rule rule = rule_.rule();
  rule.inventory_is_baseline = false;
  rule_.set_rule(std::move(rule));
  if (auto set = store_->set_reached(Milestone::kBaselineTaken); !set)
    return set;
  const auto terms = store_->count_of(Verdict::kBaseline);
  if (!terms)
    return tl::unexpected(terms.error());
  return summarise(
      fmt::format("baseline terms={} processes={}", *terms, processes), alerts);
}

// Once, when it is over, also if that was while nothing ran.
Status HistoryWriter::end_learning(std::vector<Alert>& alerts) {
  if (auto set = store_->set_reached(Milestone::kLearningEnded); !set)
    return set;
  const auto terms = store_->count_of(Verdict::kLearned);
  if (!terms)
    return tl::unexpected(terms.error());
  return summarise(fmt::format("learning ended terms={} learning_period={}",
                               *terms, duration_text(config_.learning_period)),
                   alerts);
}

bool HistoryWriter::learns() {
  if (config_.learning_period == 0)
    return false;
  const auto ended = store_->reached(Milestone::kLearningEnded);
  return ended && !*ended;
}

// Once for each exec, however often it takes to store it: each time is charged
// to its user and counted.
Status HistoryWriter::decide(NewExec& exec, History& history) {
  if (exec.decided)
    return {};
  if (exec.event.user.empty() && rule_.rule().uses(Field::kUserName)) {
    pulse_.beat();
    exec.event.user = user_name_(exec.event.uid);
  }
  auto decisions = rule_.decide(exec.event, clock_.wall_us(), history);
  if (!decisions)
    return tl::unexpected(decisions.error());
  tally_.count(*decisions, exec.event.time_us, rule_.rule());
  exec.decided = std::move(*decisions);
  return {};
}

Status HistoryWriter::apply_exec(NewExec& exec, std::vector<Alert>& alerts) {
  if (Status decided = decide(exec, *store_); !decided)
    return decided;
  auto raised = store_->record(exec.event, *exec.decided, mark());
  if (!raised)
    return tl::unexpected(raised.error());
  for (Alert& alert : *raised) {
    if (outage_ && outage_->alerted(alert.term.digest)) {
      if (auto sent = store_->acknowledge(std::span(&alert.alert_id, 1)); !sent)
        return sent;
    } else if (alert.state == AlertState::kPending) {
      alerts.push_back(std::move(alert));
    }
  }
  return {};
}

Status HistoryWriter::apply_config(const Config& config) {
  auto rule = make_rule(config, config_file_, store_->created_at_us());
  if (rule) {
    rule->inventory_is_baseline = rule_.rule().inventory_is_baseline;
    rule_.set_rule(std::move(*rule));
    config_ = config;
    learning_ = learns();
  }
  return {};
}

Status HistoryWriter::summarise(const std::string& text,
                                std::vector<Alert>& alerts) {
  auto alert = store_->record_summary(text, mark());
  if (!alert)
    return tl::unexpected(alert.error());
  alerts.push_back(std::move(*alert));
  return {};
}

// ---- While the database refuses

void HistoryWriter::begin_holding(const Error& error) {
  if (is_corrupt(error)) {
    recreate("damaged: " + error.message());
    return;
  }
  outage_ = std::make_unique<OutageHistory>(*store_);
  retry_due_ns_ = clock_.monotonic_ns() + timing_.store_retry;
  // Once a minute, should it work and fail by turns.
  log_limited(
      LogLevel::kError, "history-refused",
      fmt::format(
          "cannot write the history: {}. Alerts go on, marked stored=no; "
          "events "
          "are held in memory (up to {} MiB) and stored when it works again",
          error.message(), HeldItems::kMaxBytes >> 20));
}

void HistoryWriter::recreate(std::string_view why) {
  log_error(fmt::format("the database {} is {}; beginning a new one",
                        config_.database, why));
  store_.reset();
  auto opened = open_or_recreate(config_.database, clock_);
  if (!opened) {
    failed_("cannot open the database again: " + opened.error().message());
    throw std::runtime_error("no database");
  }
  store_ = std::move(opened->store);
  // What was alerted meanwhile is still not to be alerted again.
  if (outage_)
    outage_->use(*store_);
  // Like the first: with a learning period, and a baseline of what runs.
  if (auto rule = make_rule(config_, config_file_, store_->created_at_us())) {
    rule->inventory_is_baseline = true;
    rule_.set_rule(std::move(*rule));
  }
  learning_ = learns();
  inventory_wanted_ = true;
  feed_.start_over();
  announce(opened->moved_to.empty()
               ? fmt::format("history lost: the database was {}", why)
               : fmt::format("history lost: the database was damaged and is "
                             "now {}; a new one was begun",
                             escaped(opened->moved_to)));
}

// A message of its own, outside of any batch.
void HistoryWriter::announce(const std::string& text) {
  if (const auto alert = store_->record_summary(text, mark()); !alert)
    log_error(text);
}

void HistoryWriter::hold(HistoryItem item) {
  if (!outage_)
    outage_ = std::make_unique<OutageHistory>(*store_);
  if (std::holds_alternative<Barrier>(item))
    return;
  if (auto* exec = std::get_if<NewExec>(&item))
    decide_meanwhile(*exec);
  held_.add(std::move(item));
}

// Alerts at once; what cannot be alerted now is when it is stored.
void HistoryWriter::decide_meanwhile(NewExec& exec) {
  if (!decide(exec, *outage_))
    return;
  for (const Decision& decision : *exec.decided) {
    if (decision.verdict != Verdict::kNew ||
        !outage_->remember(decision.term.digest, exec.event.time_us))
      continue;
    Alert alert;
    alert.raised_at_us = clock_.wall_us();
    alert.severity = config_.severity;
    alert.risk_score = config_.risk_score;
    alert.term = decision.term;
    alert.event = exec.event;
    if (feed_.send(alert))
      metrics_.add(Metric::kAlertsNotStored);
    else
      outage_->forget(decision.term.digest);
  }
}

void HistoryWriter::retry_held() {
  retry_due_ns_ = clock_.monotonic_ns() + timing_.store_retry;
  if (!store_->in_place())
    recreate(kTakenAway);
  while (!held_.empty()) {
    pulse_.beat();
    std::vector<HistoryItem> batch = held_.first(kBatch);
    if (const Status stored = store_all(batch); !stored) {
      if (is_corrupt(stored.error()))
        recreate("damaged: " + stored.error().message());
      return;
    }
    held_.remove_first(batch.size());
  }
  // An empty transaction may succeed on a full disk; its commit tells.
  if (!store_->flush())
    return;
  outage_.reset();
  feed_.fall_behind();
  log_info("the history is written again; what was held is stored");
}

// ---- Housekeeping

void HistoryWriter::maintain() {
  const int64_t now_ns = clock_.monotonic_ns();
  if (outage_) {
    if (now_ns >= retry_due_ns_ || stopping_)
      retry_held();
    if (outage_)
      return;
  }
  std::vector<HistoryItem> none;
  std::vector<Alert> alerts;
  const bool flush_due = now_ns >= flush_due_ns_;
  if (!overruns_)
    overruns_ = rule_.take_capped(clock_.wall_us());
  const bool learned =
      learning_ && rule_.rule().learning_until_us <= clock_.wall_us();
  if (flush_due && !store_->in_place())
    recreate(kTakenAway);
  if (flush_due || overruns_ || learned) {
    flush_due_ns_ = now_ns + timing_.flush;
    Status status = store_->begin();
    if (status && overruns_)
      status = summarise(to_string(*overruns_), alerts);
    if (status && learned)
      status = end_learning(alerts);
    if (status)
      status = tally_.write_hits(*store_);
    if (status)
      status = store_->flush();
    if (status)
      status = store_->commit();
    if (!status) {
      store_->rollback();
      metrics_.add(Metric::kStoreErrors);
      begin_holding(status.error());
      return;
    }
    learning_ = learning_ && !learned;
    tally_.forget_hits();
    overruns_.reset();
    feed_.hand_over(alerts);
    metrics_.add(Metric::kSightingsNotKept, store_->take_refused_sightings());
    if (const auto terms = store_->term_count())
      metrics_.set(Metric::kTermsStored, static_cast<uint64_t>(*terms));
  }
  if (now_ns >= prune_due_ns_)
    prune();
  feed_.catch_up(*store_, pulse_);
}

void HistoryWriter::prune() {
  prune_due_ns_ = clock_.monotonic_ns() + timing_.prune;
  const int64_t keep = effective_retention(config_);
  if (keep != 0) {
    const auto pruned =
        store_->prune(clock_.wall_us() - keep * kMicrosPerSecond, kPruneRows);
    if (pruned && *pruned > 0)  // in small steps
      prune_due_ns_ = clock_.monotonic_ns() + timing_.prune_again;
  }
  if (const auto maintained = store_->maintain(); !maintained)
    log_limited(LogLevel::kWarning, "maintain",
                "cannot tidy the database: " + maintained.error().message());
}

AlertSeverity HistoryWriter::mark() const {
  return {config_.severity, config_.risk_score};
}

}  // namespace preload
