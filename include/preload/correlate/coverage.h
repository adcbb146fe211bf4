// SPDX-License-Identifier: Apache-2.0
// How much was seen and how much was not: every exec counts exactly once.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "preload/base/metrics.h"
#include "preload/correlate/exec_event.h"

namespace preload {

// Change of one day's coverage. Signed: an audit event that comes after its
// exec was settled turns an unaudited exec into a captured one.
struct CoverageDelta {
  int64_t day = 0;  // days since the epoch, UTC
  int64_t captured_at_exec = 0;
  int64_t captured_late = 0;
  int64_t unaudited = 0;
  std::array<int64_t, 4> missed{};  // by MissReason

  bool operator==(const CoverageDelta&) const = default;
};

// Sums up outcomes between two writes to the database. One thread.
class Coverage {
 public:
  explicit Coverage(Metrics& metrics) : metrics_(metrics) {}

  // `time_us` is the wall clock of the exec.
  void captured(Capture how, int64_t time_us);
  void missed(MissReason reason, int64_t time_us);
  void unaudited(int64_t time_us);
  // The audit event of an exec counted as unaudited has come, which makes it
  // captured, or `missed` when it reports something that was not seen. The
  // metrics only grow, so there it stays unaudited.
  void audited_later(int64_t time_us, std::optional<MissReason> missed);

  // What has changed since the last call, by day.
  [[nodiscard]] std::vector<CoverageDelta> take();

 private:
  CoverageDelta& day_of(int64_t time_us);

  Metrics& metrics_;
  std::map<int64_t, CoverageDelta> days_;
};

}  // namespace preload
