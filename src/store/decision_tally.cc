// SPDX-License-Identifier: Apache-2.0
#include "preload/store/decision_tally.h"

#include <algorithm>

namespace preload {

void DecisionTally::count(std::span<const Decision> decisions, int64_t time_us,
                          const Rule& rule) {
  metrics_.add(Metric::kMatched, decisions.empty() ? 0 : 1);
  for (const Decision& decision : decisions) {
    // A reload may have come since.
    if (decision.exception && *decision.exception < rule.exceptions.size()) {
      Hits& hits = hits_[rule.exceptions.at(*decision.exception).text];
      ++hits.count;
      hits.last_us = std::max(hits.last_us, time_us);
    }
    switch (decision.verdict) {
      case Verdict::kKnown:
        metrics_.add(Metric::kTermsKnown);
        break;
      case Verdict::kExcepted:
        metrics_.add(Metric::kTermsExcepted);
        break;
      case Verdict::kCapped:
        metrics_.add(Metric::kAlertsCapped);
        metrics_.add(Metric::kTermsNew);
        break;
      case Verdict::kFlooded:
        metrics_.add(Metric::kTermsFlooded);
        break;
      default:
        metrics_.add(Metric::kTermsNew);
        break;
    }
  }
}

Status DecisionTally::write_hits(Store& store) const {
  for (const auto& [text, hits] : hits_)
    if (auto added = store.add_exception_hits(text, hits.count, hits.last_us);
        !added)
      return added;
  return {};
}

}  // namespace preload
