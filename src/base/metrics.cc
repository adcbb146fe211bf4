// SPDX-License-Identifier: Apache-2.0
#include "preload/base/metrics.h"

namespace preload {
namespace {

constexpr auto kCounter = MetricKind::kCounter;
constexpr auto kGauge = MetricKind::kGauge;

constexpr std::string_view kExecs = "audisp_preload_execs_total";
constexpr std::string_view kExecsHelp =
    "Execs seen, by what became of their environment.";
constexpr std::string_view kTerms = "audisp_preload_terms_total";
constexpr std::string_view kTermsHelp = "Sightings of terms, by decision.";
constexpr std::string_view kAlerts = "audisp_preload_alerts_total";
constexpr std::string_view kAlertsHelp = "Alerts, by what became of them.";
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
     kExecsHelp},
    {Metric::kCapturedLate, kCounter, kExecs, "outcome=\"captured_late\"",
     kExecsHelp},
    {Metric::kMissedExited, kCounter, kExecs, "outcome=\"missed_exited\"",
     kExecsHelp},
    {Metric::kMissedDenied, kCounter, kExecs, "outcome=\"missed_denied\"",
     kExecsHelp},
    {Metric::kMissedReplaced, kCounter, kExecs, "outcome=\"missed_replaced\"",
     kExecsHelp},
    {Metric::kMissedUnreadable, kCounter, kExecs,
     "outcome=\"missed_unreadable\"", kExecsHelp},
    {Metric::kUnaudited, kCounter, kExecs, "outcome=\"unaudited\"", kExecsHelp},
    {Metric::kMatched, kCounter, "audisp_preload_matched_execs_total", "",
     "Execs with a watched variable."},
    {Metric::kTermsNew, kCounter, kTerms, "decision=\"new\"", kTermsHelp},
    {Metric::kTermsKnown, kCounter, kTerms, "decision=\"known\"", kTermsHelp},
    {Metric::kTermsExcepted, kCounter, kTerms, "decision=\"excepted\"",
     kTermsHelp},
    {Metric::kTermsFlooded, kCounter, kTerms, "decision=\"flooded\"",
     kTermsHelp},
    {Metric::kAlertsSent, kCounter, kAlerts, "state=\"sent\"", kAlertsHelp},
    {Metric::kAlertsCapped, kCounter, kAlerts, "state=\"capped\"", kAlertsHelp},
    {Metric::kAlertsNotStored, kCounter, kAlerts, "state=\"not_stored\"",
     kAlertsHelp},
    {Metric::kConnectorOverruns, kCounter, kDrops,
     "reason=\"connector_overrun\"", kDropsHelp},
    {Metric::kRingFull, kCounter, kDrops, "reason=\"ring_full\"", kDropsHelp},
    {Metric::kSnapshotsTruncated, kCounter, kDrops,
     "reason=\"snapshot_truncated\"", kDropsHelp},
    {Metric::kEventsDropped, kCounter, kDrops, "reason=\"store_queue_full\"",
     kDropsHelp},
    {Metric::kMissedNotListed, kCounter, kDrops, "reason=\"missed_not_listed\"",
     kDropsHelp},
    {Metric::kSightingsNotKept, kCounter, kDrops,
     "reason=\"sighting_not_kept\"", kDropsHelp},
    {Metric::kRecordsMalformed, kCounter, kDrops, "reason=\"record_malformed\"",
     kDropsHelp},
    {Metric::kRecordsOverlong, kCounter, kDrops, "reason=\"record_overlong\"",
     kDropsHelp},
    {Metric::kRecordsOrphaned, kCounter, kDrops, "reason=\"event_cut\"",
     kDropsHelp},
    {Metric::kEventsReplayed, kCounter, kDrops, "reason=\"event_replayed\"",
     kDropsHelp},
    {Metric::kStoreErrors, kCounter, kErrors, "stage=\"store\"", kErrorsHelp},
    {Metric::kDeliveryErrors, kCounter, kErrors, "stage=\"deliver\"",
     kErrorsHelp},
    {Metric::kRecords, kCounter, "audisp_preload_audit_records_total", "",
     "Audit records read from auditd."},
    {Metric::kCaptureMode, kGauge, "audisp_preload_capture_mode", "",
     "Rung of the capture ladder: 2 realtime, 1 nice, 0 audit."},
    {Metric::kStoreQueue, kGauge, kQueue, "queue=\"store\"", kQueueHelp},
    {Metric::kStoreQueueHighWater, kGauge, kHigh, "queue=\"store\"", kHighHelp},
    {Metric::kRelayQueue, kGauge, kQueue, "queue=\"relay\"", kQueueHelp},
    {Metric::kRelayQueueHighWater, kGauge, kHigh, "queue=\"relay\"", kHighHelp},
    {Metric::kPendingExecs, kGauge, "audisp_preload_pending_execs", "",
     "Execs waiting for their audit event or snapshot."},
    {Metric::kTermsStored, kGauge, "audisp_preload_terms_stored", "",
     "Terms in the database."},
    {Metric::kHistoryHeld, kGauge, kQueue, "queue=\"held\"", kQueueHelp},
    {Metric::kStageSilence, kGauge, "audisp_preload_stage_silence_seconds", "",
     "How long the stage that is worst off has made no progress."},
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
