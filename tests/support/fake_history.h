// SPDX-License-Identifier: Apache-2.0
// A history in memory that keeps what the store must keep.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "preload/detect/new_terms.h"

namespace preload {

class FakeHistory final : public History {
 public:
  Result<std::optional<int64_t>> last_counted(const Digest& term) override {
    const auto found = rows_.find(term);
    return found == rows_.end() ? std::nullopt : found->second;
  }
  Result<bool> stored(const Digest& term) override {
    return rows_.contains(term);
  }

  void record(const ExecEvent& event, std::span<const Decision> decisions) {
    for (const Decision& decision : decisions) {
      if (decision.verdict == Verdict::kFlooded)
        continue;
      auto& last = rows_[decision.term.digest];
      if (counts_as_history(decision.verdict))
        last = std::max(last.value_or(event.time_us), event.time_us);
    }
  }
  [[nodiscard]] size_t size() const { return rows_.size(); }

 private:
  std::unordered_map<Digest, std::optional<int64_t>, DigestHash> rows_;
};

}  // namespace preload
