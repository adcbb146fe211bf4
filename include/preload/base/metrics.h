// SPDX-License-Identifier: Apache-2.0
// What the program counts. One table names every counter and gauge; the state
// file and the Prometheus file are walks over it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

namespace preload {

// Each is one sample of a Prometheus family; the table in metrics.cc has
// name, label and help in this order.
enum class Metric : uint8_t {
  // Counters of execs: every exec ends in exactly one.
  kCapturedAtExec,    // audited, environment taken before its first instruction
  kCapturedLate,      // audited, environment read from /proc afterwards
  kMissedExited,      // audited, gone before it could be read
  kMissedDenied,      // audited, /proc refused
  kMissedReplaced,    // audited, another exec of the pid came first
  kMissedUnreadable,  // audited, environment not there or scrubbed
  kUnaudited,         // seen by the connector, no audit event came
  // Counters of matches.
  kMatched,     // execs with a watched variable
  kTermsNew,    // terms that were new
  kTermsKnown,  // sightings of known terms
  kTermsExcepted,
  kTermsFlooded,  // beyond what one user may add: not stored
  // Alerts by state.
  kAlertsSent,
  kAlertsCapped,
  kAlertsNotStored,  // sent without a row, the database being out of order
  // Drops and troubles, by reason.
  kConnectorOverruns,   // ENOBUFS: the kernel dropped exec notifications
  kRingFull,            // a listener had no room
  kSnapshotsTruncated,  // a snapshot did not fit its ring
  kEventsDropped,       // matched events that the store could not take in time
  kMissedNotListed,     // missed execs that are counted, but not in the list
  kSightingsNotKept,    // sightings beyond what one user may add
  kRecordsMalformed,
  kRecordsOverlong,
  kRecordsOrphaned,  // audit events cut off by the bounds of the reassembly
  kEventsReplayed,   // the same audit event twice
  kStoreErrors,
  kDeliveryErrors,  // failed attempts to hand something to a sink
  kRecords,         // audit records read
  // Gauges.
  kCaptureMode,  // 2 realtime, 1 nice, 0 audit
  kStoreQueue,
  kStoreQueueHighWater,
  kRelayQueue,
  kRelayQueueHighWater,
  kPendingExecs,  // execs waiting to be joined
  kTermsStored,
  kHistoryHeld,   // items in memory while the database refuses
  kStageSilence,  // seconds without progress of the stage that is worst off
  kCount
};

struct MetricFamily {
  std::string_view family;  // audisp_preload_execs_total
  std::string_view help;
  std::string_view label = {};  // outcome; empty: it is a single sample
  // Prometheus' rule for names.
  [[nodiscard]] bool counter() const { return family.ends_with("_total"); }
};

struct MetricInfo : MetricFamily {
  Metric metric;
  std::string_view value = {};  // of the label: captured_at_exec
  // What the manual says of this sample besides, in the markup of
  // man/generate.cc; may be empty where there are no labels.
  std::string_view meaning = {};
};

// In the order of Metric.
[[nodiscard]] std::span<const MetricInfo> metric_table();

// Any thread, the listeners included: relaxed atomics, nothing else.
class Metrics {
 public:
  void add(Metric metric, uint64_t n = 1) {
    at(metric).fetch_add(n, std::memory_order_relaxed);
  }
  void set(Metric metric, uint64_t value) {
    at(metric).store(value, std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t get(Metric metric) const {
    return values_[static_cast<size_t>(metric)].load(std::memory_order_relaxed);
  }

  // Histogram of seconds from exec to alert handed over, cumulative like
  // Prometheus' own; the last bucket is +Inf.
  static constexpr std::array<double, 10> kLatencyBounds{
      0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30};
  void observe_latency(double seconds);
  struct Latency {
    std::array<uint64_t, kLatencyBounds.size() + 1> buckets{};
    uint64_t count = 0;
    double sum_seconds = 0;
  };
  // All of them, for a report whose numbers belong together.
  struct Snapshot {
    std::array<uint64_t, static_cast<size_t>(Metric::kCount)> values{};
    Latency latency;
    [[nodiscard]] uint64_t get(Metric metric) const {
      return values.at(static_cast<size_t>(metric));
    }
  };
  [[nodiscard]] Snapshot snapshot() const;

 private:
  std::atomic<uint64_t>& at(Metric metric) {
    return values_[static_cast<size_t>(metric)];
  }

  std::array<std::atomic<uint64_t>, static_cast<size_t>(Metric::kCount)>
      values_{};
  std::array<std::atomic<uint64_t>, kLatencyBounds.size() + 1> latency_{};
  std::atomic<uint64_t> latency_micros_{0};
};

}  // namespace preload
