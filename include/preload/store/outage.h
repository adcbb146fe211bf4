// SPDX-License-Identifier: Apache-2.0
// The time in which the database refuses: what was alerted in it, and the items
// that wait to be stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "preload/base/digest.h"
#include "preload/base/metrics.h"
#include "preload/base/result.h"
#include "preload/detect/new_terms.h"
#include "preload/store/store.h"
#include "preload/store/store_queue.h"

namespace preload {

// The history to decide against is then the store as far as it can still be
// read, and the terms that were alerted since.
class Outage final : public History {
 public:
  static constexpr size_t kMaxTerms = 65'536;
  static constexpr size_t kMaxBytes = size_t{8} << 20;

  // `store` is the owner's: another one when the database is recreated.
  Outage(const std::unique_ptr<Store>& store, Metrics& metrics)
      : store_(store), metrics_(metrics) {}

  Result<std::optional<int64_t>> last_counted(const Digest& term) override;
  Result<bool> stored(const Digest& /*term*/) override { return false; }

  // False when there are kMaxTerms: nothing new is alerted then, or it would be
  // alerted each time.
  bool add_alerted(const Digest& term, int64_t time_us);
  void remove_alerted(const Digest& term) { alerted_.erase(term); }
  [[nodiscard]] bool alerted(const Digest& term) const {
    return alerted_.contains(term);
  }

  // An exec over kMaxBytes (a missed one: over half of it) is dropped and
  // counted. Control items are kept, coverage and the positions of a sink as
  // one item each.
  void add(HistoryItem item);
  // Of what waits, the first items, `most` at most.
  [[nodiscard]] std::span<HistoryItem> first(size_t most);
  void remove_first(size_t count);
  [[nodiscard]] size_t size() const { return items_.size(); }

 private:
  bool merge(const HistoryItem& item);

  const std::unique_ptr<Store>& store_;
  Metrics& metrics_;
  std::unordered_map<Digest, int64_t, DigestHash> alerted_;  // and when
  std::vector<HistoryItem> items_;
  size_t bytes_ = 0;
};

}  // namespace preload
