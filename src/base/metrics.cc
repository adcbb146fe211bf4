// SPDX-License-Identifier: Apache-2.0
#include "preload/base/metrics.h"

namespace preload {
namespace {

constexpr MetricFamily kExecs{"audisp_preload_execs_total",
                              "Execs, by the outcome of their capture.",
                              "outcome"};
constexpr MetricFamily kTerms{"audisp_preload_terms_total",
                              "Sightings of terms, by decision.", "decision"};
constexpr MetricFamily kAlerts{"audisp_preload_alerts_total",
                               "Alerts, by outcome.", "state"};
constexpr MetricFamily kDrops{"audisp_preload_drops_total",
                              "What was lost or cut, by reason.", "reason"};
constexpr MetricFamily kErrors{"audisp_preload_errors_total",
                               "Failed operations, by stage.", "stage"};
constexpr MetricFamily kQueue{"audisp_preload_queue_entries",
                              "Entries waiting now, by queue.", "queue"};
constexpr MetricFamily kHigh{"audisp_preload_queue_high_water_entries",
                             "Most entries ever waiting, by queue.", "queue"};

constexpr std::array<MetricInfo, static_cast<size_t>(Metric::kCount)> kTable{{
    {kExecs, Metric::kCapturedAtExec, "captured_at_exec",
     "audited; the environment was read before the first instruction"},
    {kExecs, Metric::kCapturedLate, "captured_late",
     "audited; the environment was read afterwards and verified to belong to "
     "the same program, which could have changed it. Grows when a listener was "
     "too late or the kernel dropped its notification"},
    {kExecs, Metric::kMissedExited, "missed_exited",
     "audited; the process had ended"},
    {kExecs, Metric::kMissedDenied, "missed_denied",
     "audited; the kernel refused access"},
    {kExecs, Metric::kMissedReplaced, "missed_replaced",
     "audited; another exec of the same process came first"},
    {kExecs, Metric::kMissedUnreadable, "missed_unreadable",
     "audited; there was no environment to read, or the program had "
     "overwritten it, or it blocked its reader, or a bound was reached. "
     "`CAPTURE MODES` has all cases. In mode `realtime` all `missed` counters "
     "should be 0; the view `missed_execs` lists the execs"},
    {kExecs, Metric::kUnaudited, "unaudited",
     "no audit event came within `audit_wait`. Grows if rules are missing or "
     "the kernel loses audit records (`lost` in `auditctl -s`). An event that "
     "comes later corrects the count in the database, not this counter"},
    {{"audisp_preload_matched_execs_total", "Execs with a watched variable."},
     Metric::kMatched},
    {kTerms, Metric::kTermsNew, "new",
     "new: alerted or, over `max_alerts`, capped"},
    {kTerms, Metric::kTermsKnown, "known", "known within `history_window`"},
    {kTerms, Metric::kTermsExcepted, "excepted", "matched by an exception"},
    {kTerms, Metric::kTermsFlooded, "flooded",
     "over the quota of new values of one user in a day; not stored"},
    {kAlerts, Metric::kAlertsSent, "sent", "accepted by every output"},
    {kAlerts, Metric::kAlertsCapped, "capped",
     "over `max_alerts`: stored, not sent"},
    {kAlerts, Metric::kAlertsNotStored, "not_stored",
     "sent while the database did not accept writes"},
    {kDrops, Metric::kConnectorOverruns, "connector_overrun",
     "the kernel dropped exec notifications because a CPU kept its listener "
     "from running. The environments are read late, when the audit event "
     "comes"},
    {kDrops, Metric::kRingFull, "ring_full",
     "a listener's buffer (16 MiB) had no room for the values of an exec; they "
     "are read late"},
    {kDrops, Metric::kSnapshotsTruncated, "snapshot_truncated",
     "an exec had more watched values than half of the free part of the "
     "buffer, or reading broke off. The rest is read late, while the process "
     "lives"},
    {kDrops, Metric::kEventsDropped, "store_queue_full",
     "events that the database did not accept in time; their values are lost"},
    {kDrops, Metric::kMissedNotListed, "missed_not_listed",
     "missed execs that are counted, but are not in the view `missed_execs`, "
     "because they may take only half of the queue"},
    {kDrops, Metric::kSightingsNotKept, "sighting_not_kept",
     "new pairs of value and program over the quota of one user in a day. The "
     "value itself continues to be counted"},
    {kDrops, Metric::kRecordsMalformed, "record_malformed",
     "lines on standard input that are not audit records"},
    {kDrops, Metric::kRecordsOverlong, "record_overlong", "lines over 16 KiB"},
    {kDrops, Metric::kRecordsOrphaned, "event_cut",
     "audit events that never ended or were too large; the part that arrived "
     "is used"},
    {kDrops, Metric::kEventsReplayed, "event_replayed",
     "audit events that arrived a second time. Nothing is lost"},
    {kErrors, Metric::kStoreErrors, "store",
     "operations of the database; they are repeated"},
    {kErrors, Metric::kDeliveryErrors, "deliver",
     "attempts to deliver to an output, which are repeated, and documents of "
     "`ecs_events = all` that were dropped"},
    {{"audisp_preload_audit_records_total", "Audit records read from auditd."},
     Metric::kRecords,
     "",
     "It stands still when auditd sends nothing."},
    {{"audisp_preload_capture_mode",
      "Capture mode: 2 realtime, 1 nice, 0 audit."},
     Metric::kCaptureMode},
    {kQueue, Metric::kStoreQueue, "store", "for the database"},
    {kHigh, Metric::kStoreQueueHighWater, "store",
     "for the database, at most 16,384"},
    {kQueue, Metric::kRelayQueue, "relay",
     "for the outputs, in memory: alerts that are not stored, and documents of "
     "`ecs_events = all`"},
    {kHigh, Metric::kRelayQueueHighWater, "relay", "the same"},
    {{"audisp_preload_pending_execs",
      "Execs waiting for their audit event or snapshot."},
     Metric::kPendingExecs},
    {{"audisp_preload_terms_stored",
      "Terms in the database, counted every 5 s."},
     Metric::kTermsStored},
    {kQueue, Metric::kHistoryHeld, "held",
     "in memory while the database does not accept writes; 0 as long as it "
     "does"},
    {{"audisp_preload_stage_silence_seconds",
      "Longest time for which a stage has made no progress."},
     Metric::kStageSilence,
     "",
     "Up to 2 is normal. At `watchdog` the plugin ends."},
}};

constexpr bool in_order() {
  for (size_t i = 0; i < kTable.size(); ++i)
    if (kTable[i].metric != static_cast<Metric>(i))
      return false;
  return true;
}
static_assert(in_order(), "metric_table() is in the order of Metric");

}  // namespace

std::span<const MetricInfo> metric_table() {
  return kTable;
}

void Metrics::observe_latency(double seconds) {
  size_t bucket = 0;
  while (bucket < kLatencyBounds.size() && seconds > kLatencyBounds[bucket])
    ++bucket;
  latency_[bucket].fetch_add(1, std::memory_order_relaxed);
  latency_micros_.fetch_add(static_cast<uint64_t>(seconds * 1e6),
                            std::memory_order_relaxed);
}

Metrics::Snapshot Metrics::snapshot() const {
  Snapshot snapshot;
  for (size_t i = 0; i < values_.size(); ++i)
    snapshot.values[i] = values_[i].load(std::memory_order_relaxed);
  Latency& latency = snapshot.latency;
  for (size_t i = 0; i < latency_.size(); ++i) {
    latency.count += latency_[i].load(std::memory_order_relaxed);
    latency.buckets[i] = latency.count;
  }
  latency.sum_seconds =
      static_cast<double>(latency_micros_.load(std::memory_order_relaxed)) /
      1e6;
  return snapshot;
}

}  // namespace preload
