// SPDX-License-Identifier: Apache-2.0
// A look at the database from outside, while its daemon runs or not: for the
// doctor and the self-test. Read-only, changes nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "preload/base/digest.h"
#include "preload/base/result.h"
#include "preload/detect/alert.h"
#include "preload/store/sqlite.h"

namespace preload {

struct ExceptionHits {
  std::string text;  // as configured
  int64_t hits = 0;
  int64_t last_hit_us = 0;
};

// A term and its latest alert.
struct StoredTerm {
  int64_t term_id = 0;
  int64_t seen_count = 0;
  int64_t alert_id = 0;  // 0 = it raised none
  std::string alert_state;
  int64_t raised_at_us = 0;
};

class Inspection {
 public:
  // Says so when there is no database yet, or one that is not ours.
  static Result<Inspection> open(const std::string& path);

  [[nodiscard]] Result<int64_t> schema_version();
  [[nodiscard]] Result<int64_t> term_count();
  [[nodiscard]] Result<int64_t> pending_alerts();
  [[nodiscard]] Result<int64_t> created_at_us();
  [[nodiscard]] Result<std::vector<ExceptionHits>> exception_hits();
  [[nodiscard]] Result<std::optional<StoredTerm>> find_term(
      const Digest& digest);
  // Reads the whole file: seconds for each gigabyte. The error says what is
  // wrong and is_corrupt().
  Status check_integrity();

 private:
  explicit Inspection(std::unique_ptr<Database> database)
      : database_(std::move(database)) {}

  std::unique_ptr<Database> database_;
};

}  // namespace preload
