// SPDX-License-Identifier: Apache-2.0
// Unaudited execs that raised no alert because `unaudited` says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "preload/correlate/exec_event.h"

namespace preload {

// Audit can be late: then they were audited after all, and are judged like any
// other. Holds the latest, within a bound. One thread.
class Withheld {
 public:
  static constexpr size_t kMaxEvents = 4096;
  static constexpr size_t kMaxBytes = size_t{4} << 20;

  void add(ExecEvent event);
  // The exec that `audited` completes, with what audit tells of it: once;
  // nothing when it is not there.
  [[nodiscard]] std::optional<ExecEvent> take(const ExecEvent& audited);

 private:
  using Key = std::pair<uint64_t, int32_t>;  // exec_ns, pid
  using Events = std::map<Key, ExecEvent>;
  ExecEvent remove(Events::iterator event);

  Events events_;
  size_t bytes_ = 0;
};

}  // namespace preload
