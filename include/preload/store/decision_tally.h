// SPDX-License-Identifier: Apache-2.0
// What was decided, in numbers.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "preload/base/metrics.h"
#include "preload/base/result.h"
#include "preload/detect/new_terms.h"
#include "preload/store/store.h"

namespace preload {

// Counts decisions in the metrics, and uses of exceptions for the history. The
// store thread's.
class DecisionTally {
 public:
  explicit DecisionTally(Metrics& metrics) : metrics_(metrics) {}

  // The decisions of one exec at `time_us` (wall clock), made by `rule` or,
  // after a reload, by the one before it.
  void count(std::span<const Decision> decisions, int64_t time_us,
             const Rule& rule);
  // Within a transaction; forget_hits() when that is committed.
  Status write_hits(Store& store) const;
  void forget_hits() { hits_.clear(); }

 private:
  // Of an exception, since they were last forgotten.
  struct Hits {
    uint64_t count = 0;
    int64_t last_us = 0;
  };

  Metrics& metrics_;
  std::map<std::string, Hits> hits_;  // by the exception's text
};

}  // namespace preload
