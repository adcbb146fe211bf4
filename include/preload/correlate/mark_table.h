// SPDX-License-Identifier: Apache-2.0
// The listeners' marks that wait for their audit events, with their bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "preload/base/clock.h"
#include "preload/capture/exec_snapshot.h"
#include "preload/capture/snapshot_format.h"

namespace preload {

// What has become of a mark.
enum class MarkFate : uint8_t {
  kWaits,
  kMissed,     // counted so
  kUnaudited,  // counted so; there was nothing to give
  kGiven,      // counted as unaudited, and the snapshot was given
};

struct Mark {
  uint64_t exec_ns = 0;
  SnapshotKind kind = SnapshotKind::kNothing;
  MarkFate fate = MarkFate::kWaits;
  bool argv_truncated = false;  // of the snapshot
  std::unique_ptr<ExecSnapshot> snapshot;
};

// One thread. A mark that waits for too long, or the oldest when there are too
// many, is settled; without its snapshot it is remembered for a while, should
// its audit event come after all.
class MarkTable {
 public:
  // What a million execs in a few seconds leave behind while audit is late.
  static constexpr size_t kMaxMarks = 65'536;
  static constexpr size_t kMaxBytes = size_t{32} << 20;  // of snapshots
  static constexpr size_t kMaxRemembered = 65'536;
  static constexpr int64_t kRememberNs = 60 * kNanosPerSecond;

  // Counts a mark, gives what it has, and says what has become of it.
  using Settle = std::function<MarkFate(int32_t pid, Mark& mark)>;

  // It waits until `due_ns`, which never goes back.
  void add(int32_t pid, Mark&& mark, int64_t due_ns);
  // The first mark of `pid` not before `from_us` that fits the program `exe`;
  // else the first not before `from_us` and before `until_us`, since bind
  // mounts can make two names differ altogether. CLOCK_MONOTONIC.
  std::optional<Mark> take(int32_t pid, int64_t from_us, int64_t until_us,
                           std::string_view exe);
  // Settles what is due, or all, and forgets what was remembered for long.
  void expire(int64_t now_ns, bool all, const Settle& settle);

  // When the oldest that waits is due; nothing when none does.
  [[nodiscard]] std::optional<int64_t> deadline_ns() const;
  [[nodiscard]] size_t waiting() const { return waiting_; }
  [[nodiscard]] size_t remembered() const { return count_ - waiting_; }

 private:
  struct Ref {
    int32_t pid;
    uint64_t exec_ns;
    int64_t due_ns;
  };
  using Marks = std::unordered_map<int32_t, std::vector<Mark>>;

  Mark* find_waiting(const Ref& ref);
  void remove(Marks::iterator of_pid, std::vector<Mark>::iterator mark);
  void settle_front(int64_t now_ns, const Settle& settle);
  void forget_front();

  Marks marks_;                 // by pid, in the order of their execs
  std::deque<Ref> expiry_;      // of all that wait, and of some taken since
  std::deque<Ref> forgetting_;  // likewise of those remembered
  size_t count_ = 0;
  size_t waiting_ = 0;
  size_t bytes_ = 0;  // of the snapshots of those that wait
};

}  // namespace preload
