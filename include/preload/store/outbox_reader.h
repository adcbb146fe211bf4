// SPDX-License-Identifier: Apache-2.0
// The outbox as the relay reads it: over a connection of its own that never
// writes and holds no transaction between two calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "preload/base/result.h"
#include "preload/detect/alert.h"
#include "preload/store/sqlite.h"

namespace preload {

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
  Statement outbox_;
  Statement sinks_;
};

}  // namespace preload
