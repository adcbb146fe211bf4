// SPDX-License-Identifier: Apache-2.0
// The database as another process reads it, whether the plugin runs or not: for
// the doctor and the self-test. Read-only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "preload/base/result.h"
#include "preload/store/sqlite.h"

namespace preload {

struct ExceptionHits {
  std::string text;  // as configured
  int64_t hits = 0;
  int64_t last_hit_us = 0;
};

// Alerts that not every sink has taken.
struct PendingAlerts {
  int64_t count = 0;
  int64_t oldest_us = 0;  // wall clock; 0 = there are none
};

// A term, its latest alert, and how that alert's exec was seen.
struct StoredTerm {
  int64_t term_id = 0;
  std::string state;        // see sql/schema.sql
  std::string origin;       // see sql/schema.sql
  int64_t alert_id = 0;     // 0 = it raised none
  std::string alert_state;  // pending, sent, capped
  std::string capture;      // exec, late
  std::string audit_id;     // empty: no audit event
};

class HistoryReader {
 public:
  // The error says when there is no database yet, or one of another program.
  static Result<HistoryReader> open(const std::string& path);

  [[nodiscard]] Result<int64_t> schema_version();
  [[nodiscard]] Result<int64_t> term_count();
  [[nodiscard]] Result<PendingAlerts> pending_alerts();
  [[nodiscard]] Result<std::vector<ExceptionHits>> exception_hits();
  // The greatest term_id there is; 0 = no terms.
  [[nodiscard]] Result<int64_t> last_term_id();
  // The term of `variable` and `value` (exact bytes) that was stored after the
  // term `after`. Reads those terms only, so it is fast for new ones.
  [[nodiscard]] Result<std::optional<StoredTerm>> find_new_term(
      int64_t after, std::string_view variable, std::string_view value);
  // Reads the whole file: seconds for each gigabyte. The error says what is
  // wrong and is_corrupt().
  Status check_integrity();

 private:
  explicit HistoryReader(std::unique_ptr<Database> database)
      : database_(std::move(database)) {}

  std::unique_ptr<Database> database_;
};

}  // namespace preload
