// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/coverage.h"

#include "preload/base/clock.h"

namespace preload {
namespace {

constexpr int64_t kDayUs = 86'400 * kMicrosPerSecond;

// By MissReason.
constexpr std::array<Metric, 4> kMissedMetrics{
    Metric::kMissedExited, Metric::kMissedDenied, Metric::kMissedReplaced,
    Metric::kMissedUnreadable};

}  // namespace

CoverageDelta& Coverage::day_of(int64_t time_us) {
  const int64_t day = time_us / kDayUs;
  return days_.try_emplace(day, CoverageDelta{day}).first->second;
}

void Coverage::captured(Capture how, int64_t time_us) {
  const bool at_exec = how == Capture::kExec;
  CoverageDelta& delta = day_of(time_us);
  ++(at_exec ? delta.captured_at_exec : delta.captured_late);
  metrics_.add(at_exec ? Metric::kCapturedAtExec : Metric::kCapturedLate);
}

void Coverage::missed(MissReason reason, int64_t time_us) {
  const auto index = static_cast<size_t>(reason);
  ++day_of(time_us).missed.at(index);
  metrics_.add(kMissedMetrics.at(index));
}

void Coverage::unaudited(int64_t time_us) {
  ++day_of(time_us).unaudited;
  metrics_.add(Metric::kUnaudited);
}

void Coverage::audited_later(int64_t time_us,
                             std::optional<MissReason> missed) {
  CoverageDelta& delta = day_of(time_us);
  --delta.unaudited;
  ++(missed ? delta.missed.at(static_cast<size_t>(*missed))
            : delta.captured_at_exec);
}

std::vector<CoverageDelta> Coverage::take() {
  std::vector<CoverageDelta> deltas;
  for (const auto& [day, delta] : days_)
    deltas.push_back(delta);
  days_.clear();
  return deltas;
}

}  // namespace preload
