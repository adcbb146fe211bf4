// SPDX-License-Identifier: Apache-2.0
// The outbox: tables `alert`, `alert_exec` and `sink`, which the store writes
// (see store/store.h) and the relay reads, over a connection of its own that
// never writes and has no transaction open between two calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "preload/base/result.h"
#include "preload/detect/alert.h"
#include "preload/store/sqlite.h"

namespace preload {

// Column alert.kind.
inline constexpr std::string_view kNewTermKind = "new_term";
inline constexpr std::string_view kSummaryKind = "summary";

// The event that an alert of `term` carries. An environment above kEnvBytes is
// reduced, in a copy, to the alert's own variable; the database has all of it.
// (One exec can raise a hundred alerts, and its environment be 6 MiB.)
inline constexpr size_t kEnvBytes = size_t{64} << 10;
[[nodiscard]] ExecEventPtr event_for(const Term& term, ExecEventPtr event);

// One thread.
class OutboxReader {
 public:
  // About how much read() gives at most. Bytes.
  static constexpr size_t kBatchBytes = size_t{1} << 20;

  static Result<std::unique_ptr<OutboxReader>> open(const std::string& path);

  // The configured sinks, and up to which alert each has taken all.
  Result<std::map<std::string, int64_t>> cursors();

  // Queued alerts with an id above `after`, in order, up to the first that is
  // not ready; at most `limit` and kBatchBytes, but one at least.
  Result<std::vector<Alert>> read(int64_t after, size_t limit);

 private:
  explicit OutboxReader(std::unique_ptr<Database> database)
      : database_(std::move(database)) {}

  std::unique_ptr<Database> database_;
};

}  // namespace preload
