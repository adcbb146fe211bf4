// SPDX-License-Identifier: Apache-2.0
// What goes through the store thread's queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "preload/base/config.h"
#include "preload/correlate/coverage.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/alert.h"
#include "preload/detect/new_terms.h"

namespace preload {

// What the store thread is given, in order.
struct NewExec {
  ExecEventPtr event;
  // Made at the first try to store it, so that no later one charges its user
  // or counts it again.
  std::optional<std::vector<Decision>> decided = {};
};
struct MissedExec {
  ExecEventPtr event;
};
struct CoverageDeltas {
  std::vector<CoverageDelta> deltas;
};
// A sink has taken all alerts up to this one.
struct SinkPosition {
  std::string name;
  int64_t alert_id = 0;
  uint64_t database = 0;  // see HistoryWriter::Outlet::replaced
};
// The enricher's answer about an alert.
struct Facts {
  int64_t alert_id = 0;
  int64_t raised_at_us = 0;  // of the alert: ids repeat in a new database
  AlertFacts facts;
  std::vector<std::pair<uint32_t, std::string>> names;  // of users
};
struct NewConfig {
  Config config;
  std::vector<std::string> sinks;  // their names
};
// The inventory is complete: `processes` were looked at.
struct InventoryDone {
  size_t processes = 0;
};
// Fulfilled when all that was posted before is stored and its alerts are ready.
struct Barrier {
  std::shared_ptr<std::promise<void>> reached;
};
using HistoryItem =
    std::variant<NewExec, MissedExec, CoverageDeltas, SinkPosition, Facts,
                 NewConfig, InventoryDone, Barrier>;

// Few and small, and never dropped: everything but execs.
[[nodiscard]] inline bool is_control(const HistoryItem& item) {
  return !std::holds_alternative<NewExec>(item) &&
         !std::holds_alternative<MissedExec>(item);
}

// About how much memory it holds. Bytes.
[[nodiscard]] size_t weight(const HistoryItem& item);

// Whose quota of the queue an exec takes (quota_owner_of()); nothing for
// control items.
[[nodiscard]] std::optional<uint64_t> owner(const HistoryItem& item);

}  // namespace preload
