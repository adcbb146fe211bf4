// SPDX-License-Identifier: Apache-2.0
// The store thread: decides, records, and hands alerts to the relay.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "preload/base/bounded_queue.h"
#include "preload/base/clock.h"
#include "preload/base/config.h"
#include "preload/base/metrics.h"
#include "preload/base/result.h"
#include "preload/base/thread.h"
#include "preload/base/timing.h"
#include "preload/base/watchdog.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/alert.h"
#include "preload/detect/new_terms.h"
#include "preload/store/decision_tally.h"
#include "preload/store/history_item.h"
#include "preload/store/outage_history.h"
#include "preload/store/outbox_feed.h"
#include "preload/store/recovery.h"
#include "preload/store/store.h"

namespace preload {

// Owns the store thread and, while it runs, the store.
//
// When the database refuses (disk full, read-only, locked, broken), nothing
// waits for it: items are held in memory up to a bound, alerts are raised at
// once against what is known and what was alerted meanwhile, with alert id 0
// for "not stored", and storing is tried again every few seconds. What was
// held is then stored without being sent a second time. A database that is
// damaged, deleted or replaced while in use is begun anew, with a message.
class HistoryWriter {
 public:
  // `opened` is the database of `config`, `rule` its rule. `user_name` gives
  // the name of a uid (empty: unknown) within a bounded time; it is called on
  // the store thread.
  HistoryWriter(OpenedStore opened, Rule rule, Config config,
                std::string config_file, Metrics& metrics, const Clock& clock,
                OutboxFeed::Outlet outlet,
                std::function<std::string(uint32_t)> user_name,
                ThreadFailed failed, const Timing& timing = {});
  HistoryWriter(const HistoryWriter&) = delete;
  HistoryWriter& operator=(const HistoryWriter&) = delete;
  ~HistoryWriter();

  // Any thread; never blocks. A full queue (16,384 items, 8 MiB) drops the
  // item and counts it. Missed execs may take half of it: who makes thousands
  // of them does not keep the others' events out. Nor does who makes large
  // ones: over 512 KiB an item is taken only while the queue is less than half
  // full. All execs of one user may take three quarters of its bytes.
  void post(HistoryItem item);

  // Waits until what was posted before is stored and handed to the relay, but
  // no longer than `milliseconds`.
  void settle(int64_t milliseconds);

  // Processes what is queued and ends the thread.
  void stop();

  // A database was begun anew, and an inventory is to be its baseline: once.
  [[nodiscard]] bool take_inventory_wanted() {
    return inventory_wanted_.exchange(false);
  }

  // Beats every second and with each batch.
  [[nodiscard]] const Pulse& pulse() const { return pulse_; }

 private:
  void run();
  void process(std::vector<HistoryItem> items);
  Status store_all(std::span<HistoryItem> items);
  Status apply(HistoryItem& item, std::vector<Alert>& alerts);
  Status decide(NewExec& exec, History& history);
  Status apply_exec(NewExec& exec, std::vector<Alert>& alerts);
  Status apply_config(const Config& config);
  Status end_inventory(size_t processes, std::vector<Alert>& alerts);
  Status end_learning(std::vector<Alert>& alerts);
  [[nodiscard]] bool learns();
  Status summarise(const std::string& text, std::vector<Alert>& alerts);
  void hold(HistoryItem item);
  void decide_meanwhile(NewExec& exec);
  void retry_held();
  void begin_holding(const Error& error);
  void recreate(std::string_view why);
  void announce(const std::string& text);
  void maintain();
  void prune();
  [[nodiscard]] AlertSeverity mark() const;

  std::unique_ptr<Store> store_;
  NewTerms rule_;
  Config config_;
  std::string config_file_;
  Metrics& metrics_;
  const Clock& clock_;
  OutboxFeed feed_;
  ThreadFailed failed_;
  BoundedQueue<HistoryItem> queue_;

  std::unique_ptr<OutageHistory>
      outage_;  // not null while the database refuses
  HeldItems held_;
  DecisionTally tally_;
  std::function<std::string(uint32_t)> user_name_;
  const Timing timing_;

  int64_t flush_due_ns_ = 0;
  int64_t prune_due_ns_ = 0;
  int64_t retry_due_ns_ = 0;
  std::optional<OverrunSummary> overruns_;  // to be summed up; kept until it is
  bool learning_ = false;                   // its end is still to be told
  std::atomic<bool> inventory_wanted_{false};
  std::atomic<bool> large_posted_{false};  // since memory was given back

  Pulse pulse_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace preload
