// SPDX-License-Identifier: Apache-2.0
// A bounded cache that forgets what was not asked for lately.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <utility>

namespace preload {

// Two generations: when the young one is full it becomes the old one, and the
// old one is dropped. What is found in the old one becomes young again.
// (Rejected: a list in order of use, which each hit would have to update.)
template <class Key, class Value, class Hash, class Equal = std::equal_to<>>
class RecentMap {
 public:
  // Holds at most `capacity` entries, and at least the latest half as many.
  explicit RecentMap(size_t capacity) : half_(capacity / 2) {}

  // Null when it is not there. Valid until the next call of anything. `key` is
  // a Key, or what Hash and Equal take for one.
  template <class Like>
  [[nodiscard]] Value* find(const Like& key) {
    if (const auto hit = young_.find(key); hit != young_.end())
      return &hit->second;
    const auto hit = old_.find(key);
    if (hit == old_.end())
      return nullptr;
    auto node = old_.extract(hit);
    make_room();
    return &young_.insert(std::move(node)).position->second;
  }

  // `key` must not be there. The same validity.
  Value* insert(Key key, Value value) {
    make_room();
    return &young_.emplace(std::move(key), std::move(value)).first->second;
  }

  void clear() {
    young_.clear();
    old_.clear();
  }
  [[nodiscard]] size_t size() const { return young_.size() + old_.size(); }

 private:
  void make_room() {
    if (young_.size() < half_)
      return;
    old_ = std::move(young_);
    young_.clear();
  }

  const size_t half_;
  std::unordered_map<Key, Value, Hash, Equal> young_;
  std::unordered_map<Key, Value, Hash, Equal> old_;
};

}  // namespace preload
