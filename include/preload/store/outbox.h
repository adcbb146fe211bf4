// SPDX-License-Identifier: Apache-2.0
// Tables `alert` and `alert_exec`: what was raised, and what of it is still to
// be sent.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

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

// Part of the store: within its transactions, on its thread.
class Outbox {
 public:
  // About how much pending() gives at once. Bytes.
  static constexpr size_t kPendingBytes = size_t{8} << 20;
  // An event whose environment is larger than this comes with an alert without
  // the values that are not the alert's; the database has them. One exec can
  // raise a hundred alerts, and its environment be 6 MiB.
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
  // The exec of a stored event without an audit event turns out to have one.
  Status complete(const ExecEvent& event);
  Status add_facts(int64_t alert_id, const AlertFacts& facts);
  Status acknowledge(std::span<const int64_t> alert_ids);
  Result<std::vector<Alert>> pending(int64_t after, size_t limit);

 private:
  Database& database_;
  const Clock& clock_;
  ExecEvent raising_;  // the exec that was added last, for its alerts
  Statement exec_add_;
  Statement exec_complete_;
  Statement alert_add_;
  Statement alert_facts_;
  Statement alert_sent_;
  Statement alert_outbox_;
};

}  // namespace preload
