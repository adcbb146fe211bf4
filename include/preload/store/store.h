// SPDX-License-Identifier: Apache-2.0
// The history: terms, sightings, alerts (which are the outbox too, see
// store/outbox.h), coverage. Owned by one thread, the only one that writes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/result.h"
#include "preload/correlate/coverage.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/alert.h"
#include "preload/detect/new_terms.h"
#include "preload/store/exec_lists.h"
#include "preload/store/history_file.h"
#include "preload/store/terms.h"

namespace preload {

// What happens once in the life of a database.
enum class Milestone {
  kBaselineTaken,  // the first inventory is complete
  kLearningEnded,  // and summed up
};

// What an alert is marked with.
struct AlertSeverity {
  std::string severity;
  uint32_t risk_score = 0;
};

class Store {
 public:
  // Opens or creates the database at `path` and migrates it; see
  // store/history_file.h for what is refused. A damaged one gives an error
  // that is_corrupt() (store/sqlite.h): move it and its -wal away, and open
  // again for a new one.
  static Result<std::unique_ptr<Store>> open(const std::string& path,
                                             const Clock& clock,
                                             const Timing& timing = {});
  // Writes what is batched, if it can.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // When the database was created; the learning period begins there. Wall, us.
  [[nodiscard]] int64_t created_at_us() const { return created_at_us_; }
  [[nodiscard]] Result<bool> reached(Milestone milestone);
  Status set_reached(Milestone milestone);
  // False when the file was deleted or replaced while in use: what is stored
  // from now on is lost at the end. Open again.
  [[nodiscard]] bool in_place() const {
    return preload::in_place(file_, database_.path());
  }

  // Everything between begin() and commit() is one transaction, and what is
  // recorded needs one. It costs nothing while nothing new is in it (see
  // Database::begin()). rollback() also forgets what was cached or batched in
  // it.
  //
  // After an error within, only rollback() helps; the store is usable then,
  // and counts batched before are still there. Not more than some thousands of
  // events at a time: they are kept in memory. begin() writes the batched
  // counts first when there are too many. `durable`: Database::set_durable().
  Status begin(bool durable = true);
  Status commit();
  void rollback();

  // The history that decisions are made against.
  [[nodiscard]] Terms& terms() { return terms_; }

  // Records an event and what was decided about its terms; gives the alerts
  // raised, with their ids: not ready yet, or capped and without their event.
  // Only sightings of known terms and the list of unaudited execs are batched:
  // they reach the disk with flush().
  Result<std::vector<Alert>> record(const ExecEventPtr& event,
                                    std::span<const Decision> decisions,
                                    const AlertSeverity& severity);
  // Puts a summary message into the outbox.
  Result<Alert> record_summary(const std::string& summary,
                               const AlertSeverity& severity);
  // Keeps the latest 10,000 each of missed and of unaudited execs. Batched, at
  // most 1000 between two calls of flush().
  Status record_missed(const ExecEvent& event);
  Status add_coverage(const CoverageDelta& delta);
  // The relay may send the alert, with what was found about it (null: nothing).
  Status set_ready(int64_t alert_id, const AlertFacts* facts);
  // The alert was sent while the database refused it: no sink gets it again.
  Status set_direct(int64_t alert_id);
  // The outputs of the configuration from now on. A new one begins after the
  // newest alert.
  Status set_sinks(std::span<const std::string> names);
  // A sink has taken all alerts up to this one.
  Status set_position(const std::string& sink, int64_t alert_id);
  // Hits of an exception since the last call, for the doctor.
  Status add_exception_hits(const std::string& text, uint64_t hits,
                            int64_t last_hit_us);

  // These three not within a transaction.
  //
  // Writes the batched counts. Call every few seconds and before the end. Put
  // off while a reader keeps the write-ahead log above 32 MiB.
  Status flush();
  // Deletes up to `limit` rows of what was last seen before `before_us`; gives
  // how many, so 0 = done (or put off, as flush()). Pending alerts stay, and
  // their terms.
  Result<size_t> prune(int64_t before_us, size_t limit);
  // Copies the write-ahead log into the database, as far as no reader's open
  // transaction prevents it.
  Status maintain();

  // A look-up, whatever the number.
  [[nodiscard]] Result<int64_t> term_count();

 private:
  Store(HistoryFile file, const Clock& clock)
      : file_(std::move(file)), clock_(clock) {}
  Status prepare();
  Result<int64_t> add_alert(Alert& alert, std::optional<int64_t> term_id,
                            std::optional<int64_t> exec_id,
                            const AlertSeverity& severity);
  [[nodiscard]] bool put_off();
  Status write_batches();

  HistoryFile file_;
  Database& database_ = *file_.database;
  const Clock& clock_;
  int64_t created_at_us_ = 0;
  Terms terms_{database_};
  ExecLists lists_;
};

struct OpenedStore {
  std::unique_ptr<Store> store;
  // Where a damaged database was moved to; empty: there was none.
  std::string moved_to;
};

// Opens the database at `path` as Store::open() does. A damaged one is renamed,
// with its write-ahead log, to `path`.damaged-YYYYMMDDTHHMMSSZ, where
// `sqlite3 .recover` may still read it (with -2, -3, ... behind when there is
// such a file), and a new one is created.
[[nodiscard]] Result<OpenedStore> open_or_recreate(const std::string& path,
                                                   const Clock& clock,
                                                   const Timing& timing = {});

}  // namespace preload
