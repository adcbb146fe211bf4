// SPDX-License-Identifier: Apache-2.0
// While the database refuses, and when it is lost.
#include <fmt/format.h>

#include <stdexcept>
#include <utility>

#include "preload/base/log.h"
#include "preload/base/text.h"
#include "preload/store/history_writer.h"
#include "preload/store/sqlite.h"

namespace preload {
namespace {

// One transaction.
constexpr size_t kBatch = 512;

}  // namespace

void HistoryWriter::begin_outage(const Error& error) {
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
  log_error(fmt::format("the database {} is {}; creating a new one",
                        config_.database, why));
  store_.reset();
  auto opened = open_or_recreate(config_.database, clock_);
  if (!opened) {
    failed_("cannot open the database again: " + opened.error().message());
    throw std::runtime_error("no database");
  }
  store_ = std::move(opened->store);
  // What was alerted in the outage is not alerted again.
  if (outage_)
    outage_->use(*store_);
  // Like the first: with a learning period, and a baseline of what runs.
  if (auto rule = make_rule(config_, config_file_, store_->created_at_us())) {
    rule->inventory_is_baseline = true;
    rule_.set_rule(std::move(*rule));
  }
  learning_ = learns();
  inventory_wanted_ = true;
  facts_wait_.clear();
  sinks_due_ = true;
  outlet_.replaced(++database_);
  announce(opened->moved_to.empty()
               ? fmt::format("history lost: the database was {}", why)
               : fmt::format("history lost: the database was damaged and is "
                             "now {}; a new one was begun",
                             escaped(opened->moved_to)));
}

// A message of its own, outside of any batch.
void HistoryWriter::announce(const std::string& text) {
  if (!transact([&](Effects& effects) { return summarise(text, effects); }))
    log_error(text);
}

void HistoryWriter::keep(HistoryItem item) {
  if (!outage_)
    outage_ = std::make_unique<OutageHistory>(*store_);
  if (std::holds_alternative<Barrier>(item))
    return;
  if (auto* exec = std::get_if<NewExec>(&item))
    decide_unstored(*exec);
  held_.add(std::move(item));
}

// Alerts at once; what cannot be alerted now is when it is stored.
void HistoryWriter::decide_unstored(NewExec& exec) {
  if (!decide(exec, *outage_))
    return;
  for (const Decision& decision : *exec.decided) {
    if (decision.verdict != Verdict::kNew ||
        !outage_->remember(decision.term.digest, exec.event->time_us))
      continue;
    Alert alert;
    alert.raised_at_us = clock_.wall_us();
    alert.severity = config_.severity;
    alert.risk_score = config_.risk_score;
    alert.term = decision.term;
    alert.event = *exec.event;
    if (outlet_.send_unstored(alert))
      metrics_.add(Metric::kAlertsNotStored);
    else
      outage_->forget(decision.term.digest);
  }
}

void HistoryWriter::retry_kept() {
  retry_due_ns_ = clock_.monotonic_ns() + timing_.store_retry;
  if (!store_->in_place())
    recreate("deleted or replaced while it was in use");
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
  log_info("the history is written again; what was held is stored");
}

}  // namespace preload
