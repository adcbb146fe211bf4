// SPDX-License-Identifier: Apache-2.0
// The history: terms, sightings, alerts (which are the outbox too), coverage.
// Owned by one thread, the only one with a connection.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/result.h"
#include "preload/correlate/coverage.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/alert.h"
#include "preload/detect/new_terms.h"
#include "preload/store/outbox.h"

namespace preload {

// What happens once in the life of a database.
enum class Milestone {
  kBaselineTaken,  // the first inventory is complete
  kLearningEnded,  // and summed up
};

class Store final : public History {
 public:
  // Opens or creates the database at `path` and migrates it; see
  // store/history_file.h for what is refused. A damaged one gives an error
  // that is_corrupt() (store/sqlite.h): move it and its -wal away, and open
  // again for a new one.
  static Result<std::unique_ptr<Store>> open(const std::string& path,
                                             const Clock& clock);
  // Writes what is batched, if it can.
  ~Store() override;

  // True when open() created the database.
  [[nodiscard]] bool created() const;
  // When the database was created; the learning period begins there. Wall, us.
  [[nodiscard]] int64_t created_at_us() const;
  // Kept when the transaction is committed: what was cut short is done again.
  [[nodiscard]] Result<bool> reached(Milestone milestone);
  Status set_reached(Milestone milestone);
  // Terms that became what they are with this verdict. Looks at all terms.
  [[nodiscard]] Result<int64_t> count_of(Verdict verdict);
  // False when the file was deleted or replaced while in use: what is stored
  // from now on is lost at the end. Open again.
  [[nodiscard]] bool in_place() const;

  // Everything between begin() and commit() is one transaction. It costs
  // nothing while nothing new is in it. rollback() also forgets what was
  // cached or batched in it. A call outside is a transaction of its own.
  //
  // After an error within, only rollback() helps; the store is usable then,
  // and counts batched before are still there. Not more than some thousands of
  // events at a time: they are held in memory.
  Status begin();
  Status commit();
  void rollback();

  Result<std::optional<int64_t>> last_counted(const Digest& term) override;
  Result<bool> stored(const Digest& term) override;

  // Records an event and what was decided about its terms; gives the alerts
  // raised, with their ids, states kQueued (not ready yet) or kCapped (without
  // their event: nobody sends them). Only sightings of known terms and the list
  // of unaudited execs are batched: they reach the disk with flush().
  Result<std::vector<Alert>> record(const ExecEvent& event,
                                    std::span<const Decision> decisions,
                                    const AlertSeverity& mark);
  // Puts a summary message into the outbox.
  Result<Alert> record_summary(const std::string& summary,
                               const AlertSeverity& mark);
  // Keeps the latest 10,000 each of missed and of unaudited execs. Batched, at
  // most 1000 between two calls of flush().
  Status record_missed(const ExecEvent& event);
  Status add_coverage(const CoverageDelta& delta);
  // The relay may send the alert, with what was found about it (null: nothing).
  Status set_ready(int64_t alert_id, const AlertFacts* facts);
  // The alert was sent while the database refused it: no sink gets it again.
  Status set_direct(int64_t alert_id);
  // The outputs of the configuration from now on. One that was none before
  // begins after the newest alert.
  Status set_sinks(std::span<const std::string> names);
  // A sink has taken all alerts up to this one.
  Status set_position(const std::string& sink, int64_t alert_id);
  // The name of a user, for the views. Nothing happens for an empty one.
  Status note_user(uint32_t uid, const std::string& name);
  // Hits of an exception since the last call, for the doctor.
  Status add_exception_hits(const std::string& text, uint64_t hits,
                            int64_t last_hit_us);

  // Writes the batched counts (in a transaction of its own unless one is
  // open). Call every few seconds and before the end. Puts it off while a
  // reader holds the write-ahead log above 32 MiB.
  Status flush();
  // Deletes up to `limit` rows of what was last seen before `before_us`;
  // gives how many, so 0 = done (or put off, as flush()). Not within a
  // transaction. Alerts that are pending stay, and their terms.
  Result<size_t> prune(int64_t before_us, size_t limit);
  // Copies the write-ahead log into the database. A reader's open transaction
  // only puts it off.
  Status maintain();

  // Sightings that were not kept, their user's share of the day being used up;
  // since the last call.
  [[nodiscard]] uint64_t take_refused_sightings();
  // A look-up, whatever the number.
  [[nodiscard]] Result<int64_t> term_count();

 private:
  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace preload
