// SPDX-License-Identifier: Apache-2.0
// What was decided, in numbers.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "preload/base/metrics.h"
#include "preload/base/result.h"
#include "preload/detect/new_terms.h"
#include "preload/store/store.h"

namespace preload {

// Counts decisions in the metrics, uses of exceptions for the history, and the
// terms of the periods that end with a summary. The store thread's.
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

  // Terms of the baseline since the last call.
  uint64_t take_baseline_terms() { return std::exchange(baseline_terms_, 0); }
  // Terms of the learning period so far.
  [[nodiscard]] uint64_t learned_terms() const { return learned_terms_; }

 private:
  // Of an exception, since they were last forgotten.
  struct Hits {
    uint64_t count = 0;
    int64_t last_us = 0;
  };

  Metrics& metrics_;
  std::map<std::string, Hits> hits_;  // by the exception's text
  uint64_t baseline_terms_ = 0;
  uint64_t learned_terms_ = 0;
};

}  // namespace preload
