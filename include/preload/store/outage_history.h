// SPDX-License-Identifier: Apache-2.0
// The time in which the database refuses: what is known then, and what waits
// to be stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "preload/base/digest.h"
#include "preload/base/metrics.h"
#include "preload/base/result.h"
#include "preload/detect/new_terms.h"
#include "preload/store/history_item.h"
#include "preload/store/store.h"

namespace preload {

// The store as far as it can still be read, and the terms alerted since.
class OutageHistory final : public History {
 public:
  static constexpr size_t kMaxTerms = 65'536;

  explicit OutageHistory(Store& store) : store_(&store) {}

  // A new database took the place of the old.
  void use(Store& store) { store_ = &store; }

  Result<std::optional<int64_t>> last_counted(const Digest& term) override {
    if (const auto found = alerted_.find(term); found != alerted_.end())
      return std::optional(found->second);
    auto stored = store_->last_counted(term);
    return stored ? *stored : std::nullopt;
  }
  Result<bool> stored(const Digest& /*term*/) override { return false; }

  // False when no more can be remembered: then nothing new is alerted, or it
  // would be alerted each time.
  bool remember(const Digest& term, int64_t time_us) {
    if (alerted_.size() >= kMaxTerms)
      return false;
    alerted_[term] = time_us;
    return true;
  }
  void forget(const Digest& term) { alerted_.erase(term); }
  [[nodiscard]] bool alerted(const Digest& term) const {
    return alerted_.contains(term);
  }

 private:
  Store* store_;
  std::unordered_map<Digest, int64_t, DigestHash> alerted_;
};

// Items that wait, in order, within a bound. Missed execs may take half of it.
class HeldItems {
 public:
  static constexpr size_t kMaxBytes = size_t{8} << 20;

  explicit HeldItems(Metrics& metrics) : metrics_(metrics) {}

  // An exec over the bound is dropped and counted; control items are kept,
  // coverage and the positions of a sink as one item each.
  void add(HistoryItem item);
  // Copies of the first, `most` at most.
  [[nodiscard]] std::vector<HistoryItem> first(size_t most) const;
  void remove_first(size_t count);
  [[nodiscard]] size_t size() const { return items_.size(); }
  [[nodiscard]] bool empty() const { return items_.empty(); }

 private:
  bool merge(const HistoryItem& item);

  Metrics& metrics_;
  std::deque<HistoryItem> items_;
  size_t bytes_ = 0;
};

}  // namespace preload
