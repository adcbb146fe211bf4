// SPDX-License-Identifier: Apache-2.0
#include "preload/base/metrics.h"

namespace preload {
namespace {

constexpr auto kCounter = MetricKind::kCounter;
constexpr auto kGauge = MetricKind::kGauge;

constexpr std::string_view kExecs = "audisp_preload_execs_total";
constexpr std::string_view kExecsHelp =
    "Execs, by the outcome of their capture.";
constexpr std::string_view kTerms = "audisp_preload_terms_total";
constexpr std::string_view kTermsHelp = "Sightings of terms, by decision.";
constexpr std::string_view kAlerts = "audisp_preload_alerts_total";
constexpr std::string_view kAlertsHelp = "Alerts, by outcome.";
constexpr std::string_view kDrops = "audisp_preload_drops_total";
constexpr std::string_view kDropsHelp = "What was lost or cut, by reason.";
constexpr std::string_view kErrors = "audisp_preload_errors_total";
constexpr std::string_view kErrorsHelp = "Failed operations, by stage.";
constexpr std::string_view kQueue = "audisp_preload_queue_entries";
constexpr std::string_view kQueueHelp = "Entries waiting now, by queue.";
constexpr std::string_view kHigh = "audisp_preload_queue_high_water_entries";
constexpr std::string_view kHighHelp = "Most entries ever waiting, by queue.";

constexpr std::array<MetricInfo, static_cast<size_t>(Metric::kCount)> kTable{{
    {Metric::kCapturedAtExec, kCounter, kExecs, "outcome=\"captured_at_exec\"",
     kExecsHelp,
     "audited; the environment was read before the first instruction"},
    {Metric::kCapturedLate, kCounter, kExecs, "outcome=\"captured_late\"",
     kExecsHelp,
     "audited; the environment was read afterwards and verified to "
     "belong to the same program, which could have changed it. Grows "
     "when a listener was too late or the kernel dropped its "
     "notification"},
    {Metric::kMissedExited, kCounter, kExecs, "outcome=\"missed_exited\"",
     kExecsHelp, "audited; the process had ended"},
    {Metric::kMissedDenied, kCounter, kExecs, "outcome=\"missed_denied\"",
     kExecsHelp, "audited; the kernel refused access"},
    {Metric::kMissedReplaced, kCounter, kExecs, "outcome=\"missed_replaced\"",
     kExecsHelp, "audited; another exec of the same process came first"},
    {Metric::kMissedUnreadable, kCounter, kExecs,
     "outcome=\"missed_unreadable\"", kExecsHelp,
     "audited; there was no environment to read, or the program had "
     "overwritten it, or it blocked its reader, or a bound was reached. "
     "`CAPTURE MODES` has all cases. In mode `realtime` all "
     "`missed` counters should be 0; the view `missed_execs` lists the "
     "execs"},
    {Metric::kUnaudited, kCounter, kExecs, "outcome=\"unaudited\"", kExecsHelp,
     "no audit event came within `audit_wait`. Grows if rules are "
     "missing or the kernel loses audit records (`lost` in `auditctl "
     "-s`). An event that comes later corrects the count in the "
     "database, not this counter"},
    {Metric::kMatched, kCounter, "audisp_preload_matched_execs_total", "",
     "Execs with a watched variable.", ""},
    {Metric::kTermsNew, kCounter, kTerms, "decision=\"new\"", kTermsHelp,
     "new: alerted or, over `max_alerts`, capped"},
    {Metric::kTermsKnown, kCounter, kTerms, "decision=\"known\"", kTermsHelp,
     "known within `history_window`"},
    {Metric::kTermsExcepted, kCounter, kTerms, "decision=\"excepted\"",
     kTermsHelp, "matched by an exception"},
    {Metric::kTermsFlooded, kCounter, kTerms, "decision=\"flooded\"",
     kTermsHelp,
     "over the quota of new values of one user in a day; not stored"},
    {Metric::kAlertsSent, kCounter, kAlerts, "state=\"sent\"", kAlertsHelp,
     "accepted by every output"},
    {Metric::kAlertsCapped, kCounter, kAlerts, "state=\"capped\"", kAlertsHelp,
     "over `max_alerts`: stored, not sent"},
    {Metric::kAlertsNotStored, kCounter, kAlerts, "state=\"not_stored\"",
     kAlertsHelp, "sent while the database did not accept writes"},
    {Metric::kConnectorOverruns, kCounter, kDrops,
     "reason=\"connector_overrun\"", kDropsHelp,
     "the kernel dropped exec notifications because a CPU kept its "
     "listener from running. The environments are read late, when the "
     "audit event comes"},
    {Metric::kRingFull, kCounter, kDrops, "reason=\"ring_full\"", kDropsHelp,
     "a listener's buffer (16 MiB) had no room for the values of an "
     "exec; they are read late"},
    {Metric::kSnapshotsTruncated, kCounter, kDrops,
     "reason=\"snapshot_truncated\"", kDropsHelp,
     "an exec had more watched values than half of the free part of the "
     "buffer, or reading broke off. The rest is read late, while the "
     "process lives"},
    {Metric::kEventsDropped, kCounter, kDrops, "reason=\"store_queue_full\"",
     kDropsHelp,
     "events that the database did not accept in time; their values are "
     "lost"},
    {Metric::kMissedNotListed, kCounter, kDrops, "reason=\"missed_not_listed\"",
     kDropsHelp,
     "missed execs that are counted, but are not in the view "
     "`missed_execs`, because they may take only half of the queue"},
    {Metric::kSightingsNotKept, kCounter, kDrops,
     "reason=\"sighting_not_kept\"", kDropsHelp,
     "new pairs of value and program over the quota of one user in a "
     "day. The value itself continues to be counted"},
    {Metric::kRecordsMalformed, kCounter, kDrops, "reason=\"record_malformed\"",
     kDropsHelp, "lines on standard input that are not audit records"},
    {Metric::kRecordsOverlong, kCounter, kDrops, "reason=\"record_overlong\"",
     kDropsHelp, "lines over 16 KiB"},
    {Metric::kRecordsOrphaned, kCounter, kDrops, "reason=\"event_cut\"",
     kDropsHelp,
     "audit events that never ended or were too large; the part that "
     "arrived is used"},
    {Metric::kEventsReplayed, kCounter, kDrops, "reason=\"event_replayed\"",
     kDropsHelp, "audit events that arrived a second time. Nothing is lost"},
    {Metric::kStoreErrors, kCounter, kErrors, "stage=\"store\"", kErrorsHelp,
     "operations of the database; they are repeated"},
    {Metric::kDeliveryErrors, kCounter, kErrors, "stage=\"deliver\"",
     kErrorsHelp,
     "attempts to deliver to an output, which are repeated, and "
     "documents of `ecs_events = all` that were dropped"},
    {Metric::kRecords, kCounter, "audisp_preload_audit_records_total", "",
     "Audit records read from auditd.",
     "It stands still when auditd sends nothing."},
    {Metric::kCaptureMode, kGauge, "audisp_preload_capture_mode", "",
     "Capture mode: 2 realtime, 1 nice, 0 audit.", ""},
    {Metric::kStoreQueue, kGauge, kQueue, "queue=\"store\"", kQueueHelp,
     "for the database"},
    {Metric::kStoreQueueHighWater, kGauge, kHigh, "queue=\"store\"", kHighHelp,
     "for the database, at most 16,384"},
    {Metric::kRelayQueue, kGauge, kQueue, "queue=\"relay\"", kQueueHelp,
     "for the outputs, in memory: alerts that are not stored, and documents of "
     "`ecs_events = all`"},
    {Metric::kRelayQueueHighWater, kGauge, kHigh, "queue=\"relay\"", kHighHelp,
     "the same"},
    {Metric::kPendingExecs, kGauge, "audisp_preload_pending_execs", "",
     "Execs waiting for their audit event or snapshot.", ""},
    {Metric::kTermsStored, kGauge, "audisp_preload_terms_stored", "",
     "Terms in the database, counted every 5 s.", ""},
    {Metric::kHistoryHeld, kGauge, kQueue, "queue=\"held\"", kQueueHelp,
     "in memory while the database does not accept writes; 0 as long as it "
     "does"},
    {Metric::kStageSilence, kGauge, "audisp_preload_stage_silence_seconds", "",
     "Longest time for which a stage has made no progress.",
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

Metrics::Latency Metrics::latency() const {
  Latency result;
  for (size_t i = 0; i < latency_.size(); ++i) {
    result.count += latency_[i].load(std::memory_order_relaxed);
    result.buckets[i] = result.count;
  }
  result.sum_seconds =
      static_cast<double>(latency_micros_.load(std::memory_order_relaxed)) /
      1e6;
  return result;
}

}  // namespace preload
