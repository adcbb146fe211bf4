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
  ExecEvent event;
  // Made at the first try to store it, so that no later one charges its user
  // or counts it again.
  std::optional<std::vector<Decision>> decided = {};
};
struct AuditedAfterAll {
  ExecEvent event;
};
struct MissedExec {
  ExecEvent event;
};
struct CoverageDeltas {
  std::vector<CoverageDelta> deltas;
};
struct Acknowledged {
  std::vector<int64_t> alert_ids;
};
struct Inspected {
  int64_t alert_id = 0;
  AlertFacts facts;
  std::vector<std::pair<uint32_t, std::string>> names;  // of users
};
struct NewConfig {
  Config config;
};
// The inventory is complete: `processes` were looked at.
struct InventoryDone {
  size_t processes = 0;
};
// Fulfilled when all that was posted before has been stored and handed on.
struct Barrier {
  std::shared_ptr<std::promise<void>> reached;
};
using HistoryItem =
    std::variant<NewExec, AuditedAfterAll, MissedExec, CoverageDeltas,
                 Acknowledged, Inspected, NewConfig, InventoryDone, Barrier>;

// About how much memory it holds. Bytes.
[[nodiscard]] size_t weight(const HistoryItem& item);

// Whose share of the queue an exec takes (quota_owner_of()); nothing for what
// the daemon itself gives.
[[nodiscard]] std::optional<uint64_t> owner(const HistoryItem& item);

}  // namespace preload
