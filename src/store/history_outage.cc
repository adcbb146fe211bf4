// SPDX-License-Identifier: Apache-2.0
// While the database refuses, and when it is lost.
#include <fmt/format.h>

#include <stdexcept>
#include <utility>

#include "preload/base/log.h"
#include "preload/base/text.h"
#include "preload/store/history_writer.h"

namespace preload {

void HistoryWriter::store_failed(const Error& error) {
  if (is_corrupt(error)) {
    recreate("damaged: " + error.message());
    return;
  }
  outage_ = std::make_unique<Outage>(store_, metrics_);
  retry_due_ns_ = clock_.monotonic_ns() + timing_.store_retry;
  // Once a minute, should it work and fail by turns.
  log_limited(LogLevel::kError, "history-refused",
              fmt::format("cannot write the history: {}. Alerts go on, marked "
                          "stored=no; events are kept in memory (up to {} MiB) "
                          "and stored when it works again",
                          error.message(), Outage::kMaxBytes >> 20));
}

void HistoryWriter::recreate(std::string_view why) {
  log_error(fmt::format("the database {} is {}; creating a new one",
                        config_.database, why));
  store_.reset();
  auto opened = open_or_recreate(config_.database, clock_, timing_);
  if (!opened) {
    failed_("cannot open the database again: " + opened.error().message());
    throw std::runtime_error("no database");
  }
  store_ = std::move(opened->store);
  // Like the first: with a learning period, and a baseline of what runs.
  if (auto rule = make_rule(config_, config_file_, store_->created_at_us())) {
    rule->inventory_is_baseline = true;
    rule_.set_rule(std::move(*rule));
  }
  learning_ = is_learning();
  inventory_wanted_ = true;
  facts_wait_.clear();
  sinks_due_ = true;
  outlet_.replaced(++database_);
  announce_loss(std::string(why), opened->moved_to);
}

// Of a database that was `why`, in an alert of its own.
void HistoryWriter::announce_loss(const std::string& why,
                                  const std::string& moved_to) {
  const std::string text =
      moved_to.empty()
          ? fmt::format("history lost: the database was {}", why)
          : fmt::format(
                "history lost: the database was damaged and is now {}; "
                "a new one was created",
                escaped(moved_to));
  if (!transact([&](Effects& effects) { return summarise(text, effects); }))
    log_error(text);
}

void HistoryWriter::add_to_outage(HistoryItem item) {
  if (!outage_)
    outage_ = std::make_unique<Outage>(store_, metrics_);
  if (std::holds_alternative<Barrier>(item))
    return;
  if (auto* exec = std::get_if<NewExec>(&item))
    if (decide(*exec, *outage_))
      alert_unstored(*exec);
  outage_->add(std::move(item));
}

// An alert that cannot be sent now is sent when it is stored.
void HistoryWriter::alert_unstored(const NewExec& exec) {
  for (const Decision& decision : *exec.decided) {
    const Digest& term = decision.term.digest;
    if (decision.verdict != Verdict::kNew ||
        !outage_->add_alerted(term, exec.event->time_us))
      continue;
    Alert alert;
    alert.raised_at_us = clock_.wall_us();
    alert.severity = config_.severity;
    alert.risk_score = config_.risk_score;
    alert.term = decision.term;
    alert.event = exec.event;
    if (outlet_.send_unstored(alert))
      metrics_.add(Metric::kAlertsNotStored);
    else
      outage_->remove_alerted(term);
  }
}

void HistoryWriter::retry() {
  retry_due_ns_ = clock_.monotonic_ns() + timing_.store_retry;
  if (!store_->in_place())
    recreate("deleted or replaced while it was in use");
  while (outage_->size() != 0) {
    pulse_.beat();
    const auto batch = outage_->first(kBatch);
    if (const Status stored = store_all(batch); !stored) {
      if (is_corrupt(stored.error()))
        recreate("damaged: " + stored.error().message());
      return;
    }
    outage_->remove_first(batch.size());
  }
  // A transaction that writes nothing succeeds on a full disk too.
  if (!store_->flush())
    return;
  outage_.reset();
  log_info("the history is written again; the events that waited are stored");
}

}  // namespace preload
