// SPDX-License-Identifier: Apache-2.0
// What the store thread does from time to time: counts to disk, summaries,
// deletion of old rows.
#include <utility>

#include "preload/base/log.h"
#include "preload/store/history_writer.h"

namespace preload {
namespace {

constexpr size_t kPruneRows = 200;

}  // namespace

void HistoryWriter::maintain() {
  const int64_t now_ns = clock_.monotonic_ns();
  if (outage_) {
    if (now_ns >= retry_due_ns_ || stopping_)
      retry_kept();
    if (outage_)
      return;
  }
  const bool flush_due = now_ns >= flush_due_ns_;
  if (!overruns_)
    overruns_ = rule_.take_capped(clock_.wall_us());
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
    begin_outage(status.error());
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
    if (done)
      done = tally_.write_hits(*store_);
    if (done)
      done = store_->flush();
    return done;
  });
  if (!status)
    return status;
  learning_ = learning_ && !learned;
  tally_.forget_hits();
  overruns_.reset();
  metrics_.add(Metric::kSightingsNotKept, store_->take_refused_sightings());
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
                "cannot tidy the database: " + maintained.error().message());
}

}  // namespace preload
