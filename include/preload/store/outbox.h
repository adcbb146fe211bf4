// SPDX-License-Identifier: Apache-2.0
// Tables `alert`, `alert_exec` and `sink`: what was raised, and how far the
// sinks have taken it. Read by OutboxReader.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "preload/base/clock.h"
#include "preload/base/result.h"
#include "preload/detect/alert.h"
#include "preload/store/sqlite.h"

namespace preload {

// How the alerts of a call are to be marked.
struct AlertSeverity {
  std::string severity;
  uint32_t risk_score = 0;
};

// An alert of `term` carries this of the event that raised it. An environment
// above kEnvBytes is reduced to the alert's own variable; the database has the
// whole. One exec can raise a hundred alerts, and its environment be 6 MiB.
[[nodiscard]] ExecEvent event_for(const Term& term, const ExecEvent& event);

// Part of the store: within its transactions, on its thread.
class Outbox {
 public:
  static constexpr size_t kEnvBytes = size_t{64} << 10;

  Outbox(Database& database, const Clock& clock)
      : database_(database), clock_(clock) {}
  Status prepare();

  // Stores the exec that raises alerts; gives its row.
  Result<int64_t> add_exec(const ExecEvent& event);
  // An alert of the exec that was added last.
  Result<Alert> raise(int64_t exec_id, int64_t term_id, const Term& term,
                      AlertState state, const AlertSeverity& mark);
  Result<Alert> raise_summary(const std::string& summary,
                              const AlertSeverity& mark);
  // See store/store.h.
  Status set_ready(int64_t alert_id, const AlertFacts* facts);
  Status set_all_ready() { return alert_all_ready_.run(); }
  Status set_direct(int64_t alert_id) { return alert_direct_.run(alert_id); }
  Status set_sinks(std::span<const std::string> names);
  Status set_position(const std::string& sink, int64_t alert_id) {
    return sink_position_.run(sink, alert_id);
  }

 private:
  Database& database_;
  const Clock& clock_;
  ExecEvent raising_;  // the exec that was added last, for its alerts
  Statement exec_add_;
  Statement alert_add_;
  Statement alert_ready_;
  Statement alert_all_ready_;
  Statement alert_direct_;
  Statement sink_configure_;
  Statement sink_remove_;
  Statement sink_position_;
};

}  // namespace preload
