// SPDX-License-Identifier: Apache-2.0
#include "preload/store/history_writer.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "preload/base/log.h"
#include "preload/base/text.h"

namespace preload {
namespace {

constexpr auto kIdle = std::chrono::milliseconds(1000);
constexpr size_t kPruneRows = 200;

// What a power failure undoes of the rest leads to an alert that is sent again,
// as a crash does.
bool must_survive_power_failure(const HistoryItem& item) {
  return !std::holds_alternative<Facts>(item) &&
         !std::holds_alternative<SinkPosition>(item) &&
         !std::holds_alternative<Barrier>(item);
}

}  // namespace

HistoryWriter::HistoryWriter(OpenedStore opened, Rule rule, Config config,
                             std::string config_file,
                             std::vector<std::string> sinks, Metrics& metrics,
                             const Clock& clock, Outlet outlet,
                             std::function<std::string(uint32_t)> user_name,
                             const Timing& timing)
    : store_(std::move(opened.store)),
      rule_(std::move(rule)),
      config_(std::move(config)),
      config_file_(std::move(config_file)),
      sinks_(std::move(sinks)),
      metrics_(metrics),
      clock_(clock),
      outlet_(std::move(outlet)),
      queue_(metrics),
      user_name_(std::move(user_name)),
      timing_(timing),
      moved_to_(std::move(opened.moved_to)) {
  learning_ = is_learning();
}

HistoryWriter::~HistoryWriter() {
  stop();
}

void HistoryWriter::start(ThreadFailed failed) {
  failed_ = std::move(failed);
  thread_ = start_thread(
      "store", [this] { run(); }, failed_);
}

void HistoryWriter::stop() {
  if (!thread_.joinable())
    return;
  stopping_ = true;
  queue_.close();
  thread_.join();
}

void HistoryWriter::run() {
  if (!moved_to_.empty())
    announce_loss("damaged", moved_to_);
  while (true) {
    const bool last = stopping_;
    pulse_.beat();
    process(queue_.pop_all(wait_time()));
    if (queue_.take_large())
      ::malloc_trim(0);  // or the process keeps the memory of the largest item
    if (last)
      flush_due_ns_ = 0;
    maintain();
    // Alerts of an outage become ready with the database.
    if (last || outage_ || facts_wait_.empty())
      for (const auto& reached : std::exchange(barriers_, {}))
        reached->set_value();
    if (last)
      break;
  }
  if (outage_ && outage_->size() != 0)
    log_error(
        fmt::format("{} events could not be stored; their alerts were sent",
                    outage_->size()));
}

std::chrono::milliseconds HistoryWriter::wait_time() const {
  std::chrono::milliseconds wait = kIdle;
  if (outage_)
    return wait;
  for (const auto& [id, facts] : facts_wait_) {
    const int64_t due_ns = facts.deadline_ns - clock_.monotonic_ns();
    wait =
        std::min(wait, std::chrono::milliseconds(due_ns / kNanosPerMilli + 1));
  }
  return std::max(wait, std::chrono::milliseconds(0));
}

void HistoryWriter::process(std::vector<HistoryItem> items) {
  for (const HistoryItem& item : items)
    if (const auto* barrier = std::get_if<Barrier>(&item))
      barriers_.push_back(barrier->reached);
  for (size_t done = 0; done < items.size();) {
    pulse_.beat();
    const auto batch =
        std::span(items).subspan(done, std::min(kBatch, items.size() - done));
    // Once more when the database had to be recreated.
    bool stored = false;
    for (int attempt = 0; !stored && !outage_ && attempt < 2; ++attempt) {
      const Status status = store_all(batch);
      stored = status.has_value();
      if (!stored)
        store_failed(status.error());
    }
    if (!stored)
      for (HistoryItem& item : batch)
        add_to_outage(std::move(item));
    done += batch.size();
  }
}

Status HistoryWriter::store_all(std::span<HistoryItem> items) {
  const bool durable =
      std::any_of(items.begin(), items.end(), must_survive_power_failure);
  return transact(
      [&](Effects& effects) -> Status {
        for (HistoryItem& item : items) {
          pulse_.beat();
          if (Status applied = apply(item, effects); !applied)
            return applied;
        }
        return {};
      },
      durable);
}

void HistoryWriter::publish(Effects& effects) {
  for (const int64_t id : effects.ready)
    facts_wait_.erase(id);
  for (const Alert& alert : effects.raised) {
    // Without a look-up the wait is over at once.
    const int64_t wait_ns = outlet_.look_up(alert) ? kFactsDeadlineNs : 0;
    facts_wait_[alert.alert_id] = {alert.raised_at_us,
                                   clock_.monotonic_ns() + wait_ns};
  }
  if (effects.wake || !effects.ready.empty())
    outlet_.wake_relay();
}

// Alerts whose answer has not come in time are sent without it.
Status HistoryWriter::expire_facts() {
  std::vector<int64_t> expired;
  for (const auto& [id, facts] : facts_wait_)
    if (facts.deadline_ns <= clock_.monotonic_ns())
      expired.push_back(id);
  if (expired.empty())
    return {};
  return transact(
      [&](Effects& effects) -> Status {
        effects.ready = expired;
        for (const int64_t id : expired)
          if (Status ready = store_->set_ready(id, nullptr); !ready)
            return ready;
        return {};
      },
      /*durable=*/false);
}

// ---- From time to time

void HistoryWriter::maintain() {
  const int64_t now_ns = clock_.monotonic_ns();
  if (outage_) {
    if (now_ns >= retry_due_ns_ || stopping_)
      retry();
    if (outage_)
      return;
  }
  const bool flush_due = now_ns >= flush_due_ns_;
  if (!overruns_)
    overruns_ = rule_.take_overruns(clock_.wall_us());
  const bool learned =
      learning_ && rule_.rule().learning_until_us <= clock_.wall_us();
  if (flush_due && !store_->in_place())
    recreate("deleted or replaced while it was in use");
  Status status = expire_facts();
  if (status && (flush_due || overruns_ || learned)) {
    flush_due_ns_ = now_ns + timing_.flush;
    status = write_due(learned);
  }
  if (!status) {
    store_failed(status.error());
    return;
  }
  if (now_ns >= prune_due_ns_)
    prune();
}

Status HistoryWriter::write_due(bool learned) {
  const Status status = transact([&](Effects& effects) {
    Status done;
    if (overruns_)
      done = summarise(to_string(*overruns_), effects);
    if (done && learned)
      done = end_learning(effects);
    for (const auto& [text, hits] : hits_)
      if (done)
        done = store_->add_exception_hits(text, hits.count, hits.last_us);
    return done;
  });
  if (!status)
    return status;
  learning_ = learning_ && !learned;
  hits_.clear();
  overruns_.reset();
  if (const Status flushed = store_->flush(); !flushed) {
    metrics_.add(Metric::kStoreErrors);
    return flushed;
  }
  metrics_.add(Metric::kSightingsNotKept, store_->terms().take_refused());
  if (const auto terms = store_->term_count())
    metrics_.set(Metric::kTermsStored, static_cast<uint64_t>(*terms));
  return {};
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
                "cannot copy the write-ahead log into the database: " +
                    maintained.error().message());
}

}  // namespace preload
