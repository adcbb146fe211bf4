// SPDX-License-Identifier: Apache-2.0
// The store thread: decides and records, and makes alerts ready for the relay.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/config.h"
#include "preload/base/metrics.h"
#include "preload/base/result.h"
#include "preload/base/thread.h"
#include "preload/base/watchdog.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/alert.h"
#include "preload/detect/new_terms.h"
#include "preload/store/outage.h"
#include "preload/store/store.h"
#include "preload/store/store_queue.h"

namespace preload {

// Owns the store thread and, while it runs, the store.
//
// An alert is committed, looked up by the enricher, and becomes ready with the
// transaction that stores the answer, at the latest kFactsDeadlineNs after its
// commit. The relay is woken whenever alerts have become ready.
//
// When the database refuses (disk full, read-only, locked, broken), nothing
// waits for it: an outage begins. Items are kept in memory up to a bound,
// alerts are sent at once, with alert id 0 for "not stored", when neither the
// store, as far as it can be read, nor the outage knows their term, and storing
// is tried again every few seconds. An alert that was sent in the outage is
// then stored without being sent a second time. A database that is damaged,
// deleted or replaced while in use is recreated, with a message.
class HistoryWriter {
 public:
  // What the other stages do for it. Called on the store thread; none blocks.
  struct Outlet {
    // Begins to look up facts about a committed alert; the answer is posted as
    // Facts. False: there will be none.
    std::function<bool(const Alert&)> look_up;
    // Alerts have become ready, or the sinks have cursors.
    std::function<void()> wake_relay;
    // The database is another one now, the `database`th after the first.
    std::function<void(uint64_t database)> replaced;
    // Sends an alert that is not stored. False: no room.
    std::function<bool(const Alert&)> send_unstored;
  };

  // `opened` is the database of `config`, `rule` its rule, `sinks` the names of
  // the outputs. `user_name` gives the name of a uid (empty: unknown) within a
  // bounded time; it is called on the store thread.
  HistoryWriter(OpenedStore opened, Rule rule, Config config,
                std::string config_file, std::vector<std::string> sinks,
                Metrics& metrics, const Clock& clock, Outlet outlet,
                std::function<std::string(uint32_t)> user_name,
                const Timing& timing = {});
  HistoryWriter(const HistoryWriter&) = delete;
  HistoryWriter& operator=(const HistoryWriter&) = delete;
  ~HistoryWriter();

  // Starts the thread, when the outlet may be called.
  void start(ThreadFailed failed);

  // Any thread; see StoreQueue.
  void post(HistoryItem item) { queue_.post(std::move(item)); }
  void settle(int64_t milliseconds) { queue_.settle(milliseconds); }

  // Processes what is queued and ends the thread.
  void stop();

  // A database was recreated, and an inventory is to be its baseline: once.
  [[nodiscard]] bool take_inventory_wanted() {
    return inventory_wanted_.exchange(false);
  }

  // Beats every second and with each batch.
  [[nodiscard]] const Pulse& pulse() const { return pulse_; }

 private:
  // Items of one transaction; what a crash in the middle would repeat.
  static constexpr size_t kBatch = 512;

  // What a transaction leads to once it is committed.
  struct Effects {
    std::vector<Alert> raised;
    std::vector<int64_t> ready;
    bool wake = false;
  };

  // history_writer.cc: the thread, one transaction, and what is due from time
  // to time.
  void run();
  void process(std::vector<HistoryItem> items);
  Status store_all(std::span<HistoryItem> items);
  template <class Body>
  Status transact(Body&& body, bool durable = true);
  void publish(Effects& effects);
  Status expire_facts();
  [[nodiscard]] std::chrono::milliseconds wait_time() const;
  void maintain();
  Status write_due(bool learned);
  void prune();

  // history_decisions.cc: what an item means.
  Status apply(HistoryItem& item, Effects& effects);
  Status decide(NewExec& exec, History& history);
  void count(const NewExec& exec);
  Status apply_exec(NewExec& exec, Effects& effects);
  Status apply_facts(const Facts& facts, Effects& effects);
  Status apply_config(const NewConfig& config, Effects& effects);
  Status end_inventory(size_t processes, Effects& effects);
  Status end_learning(Effects& effects);
  [[nodiscard]] bool is_learning();
  Status summarise(const std::string& text, Effects& effects);
  [[nodiscard]] AlertSeverity severity() const;

  // history_outage.cc: the database refuses or is lost.
  void store_failed(const Error& error);
  void add_to_outage(HistoryItem item);
  void alert_unstored(const NewExec& exec);
  void retry();
  void recreate(std::string_view why);
  void announce_loss(const std::string& why, const std::string& moved_to);

  std::unique_ptr<Store> store_;
  uint64_t database_ = 0;  // see Outlet::replaced
  NewTerms rule_;
  Config config_;
  std::string config_file_;
  std::vector<std::string> sinks_;
  bool sinks_due_ = true;  // the database does not know them yet
  Metrics& metrics_;
  const Clock& clock_;
  Outlet outlet_;
  ThreadFailed failed_;
  StoreQueue queue_;
  // Alerts that are committed and wait for the enricher's answer. At the
  // deadline they become ready without it, so that a look-up that hangs delays
  // neither them nor the alerts after them.
  struct FactsWait {
    int64_t raised_at_us = 0;
    int64_t deadline_ns = 0;
  };
  std::map<int64_t, FactsWait> facts_wait_;  // by alert
  std::vector<std::shared_ptr<std::promise<void>>> barriers_;

  std::unique_ptr<Outage> outage_;  // null unless the database refuses
  std::function<std::string(uint32_t)> user_name_;
  const Timing timing_;
  // Uses of exceptions that the history does not have yet, by their text.
  struct Hits {
    uint64_t count = 0;
    int64_t last_us = 0;
  };
  std::map<std::string, Hits> hits_;

  int64_t flush_due_ns_ = 0;
  int64_t prune_due_ns_ = 0;
  int64_t retry_due_ns_ = 0;
  std::optional<OverrunSummary> overruns_;  // to be summed up; kept until it is
  bool learning_ = false;                   // its end is still to be reported
  std::string moved_to_;  // see OpenedStore; to be reported at the start
  std::atomic<bool> inventory_wanted_{false};

  Pulse pulse_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// All or nothing: Status body(Effects&) within one transaction. Only what is
// committed has effects. `durable`: safe from a power failure then, which takes
// as long as the disk does.
template <class Body>
Status HistoryWriter::transact(Body&& body, bool durable) {
  Effects effects;
  Status status = store_->begin(durable);
  // Before any alert: a new sink begins after the newest of them.
  if (status && sinks_due_) {
    status = store_->set_sinks(sinks_);
    effects.wake = true;
  }
  if (status)
    status = body(effects);
  if (status)
    status = store_->commit();
  if (!status) {
    store_->rollback();
    metrics_.add(Metric::kStoreErrors);
    return status;
  }
  sinks_due_ = false;
  publish(effects);
  return {};
}

}  // namespace preload
