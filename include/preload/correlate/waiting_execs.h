// SPDX-License-Identifier: Apache-2.0
// Execs that a listener reported and audit has not, by pid, with their bounds.
// One that waits for too long is settled without audit; what remains of it is
// remembered for a while, since its audit event may come later and then
// corrects the count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "preload/base/clock.h"
#include "preload/correlate/exec.h"

namespace preload {

// One thread. When there are too many, the oldest is settled or forgotten.
class WaitingExecs {
 public:
  // What a million execs in a few seconds leave behind while audit is late.
  static constexpr size_t kMaxWaiting = 65'536;
  static constexpr size_t kMaxBytes = size_t{32} << 20;  // of snapshots
  static constexpr size_t kMaxRemembered = 65'536;
  static constexpr int64_t kRememberNs = 60 * kNanosPerSecond;

  // Counts an exec, gives what it has, and sets Exec::settled.
  using Settle = std::function<void(Exec& exec)>;

  // It waits until `due_ns`, which never goes back.
  void add(Exec&& exec, int64_t due_ns);
  // The first exec of `pid`, waiting or settled, not before `from_us` that fits
  // the program `exe`; else the first not before `from_us` and before
  // `until_us`, since bind mounts can make two names differ altogether.
  // CLOCK_MONOTONIC.
  std::optional<Exec> take(int32_t pid, int64_t from_us, int64_t until_us,
                           std::string_view exe);
  // One that waits, or null. Valid until the next call that is not const.
  [[nodiscard]] Exec* find(int32_t pid, uint64_t token);
  // After its snapshot has changed.
  void recount(Exec& exec) { count_bytes(exec, bytes_); }
  // Settles what is due, or all, and forgets what was remembered for long.
  void expire(int64_t now_ns, bool all, const Settle& settle);

  // When the oldest that waits is due; nothing when none does.
  [[nodiscard]] std::optional<int64_t> deadline_ns() const;
  [[nodiscard]] size_t waiting() const { return waiting_; }
  [[nodiscard]] size_t remembered() const { return count_ - waiting_; }

 private:
  struct Ref {
    int32_t pid;
    uint64_t token;
    int64_t due_ns;
  };
  using Execs = std::unordered_map<int32_t, std::vector<Exec>>;

  void remove(Execs::iterator of_pid, std::vector<Exec>::iterator exec);

  Execs execs_;                 // by pid, in the order of their execs
  std::deque<Ref> expiry_;      // of all that wait, and of some taken since
  std::deque<Ref> forgetting_;  // likewise of those remembered
  size_t count_ = 0;
  size_t waiting_ = 0;
  size_t bytes_ = 0;  // of the snapshots of those that wait
};

}  // namespace preload
