// SPDX-License-Identifier: Apache-2.0
// Where values come from besides execs: programs that run already, and
// /etc/ld.so.preload.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/timing.h"
#include "preload/base/watchdog.h"
#include "preload/capture/proc_reader.h"
#include "preload/correlate/exec_event.h"

namespace preload {

// Reads the environments of all processes that began before `before_ticks`
// (clock ticks since boot; 0 = all) and gives an event of origin kInventory for
// each with a watched variable. Stops early when `stop` is set. Gives how many
// processes were looked at. Takes a few milliseconds per hundred processes.
// `pulse` beats with each.
size_t take_inventory(const Fd& proc, const WatchList& watched,
                      uint64_t before_ticks, const Clock& clock,
                      const std::atomic<bool>& stop, Pulse& pulse,
                      const std::function<void(ExecEvent&&)>& give);

// The present time, or one not long ago, in the ticks that /proc/PID/stat
// counts.
[[nodiscard]] uint64_t now_ticks(uint64_t seconds_ago = 0);

// Looks after /etc/ld.so.preload. The audit watch fires when a writer opens the
// file, before he has written; so what it holds is read a few times after that,
// and every `interval_ns` in any case. One thread; never waits for another file
// system than the root's.
class PreloadFileWatch {
 public:
  explicit PreloadFileWatch(std::string path,
                            int64_t interval_ns = Timing().preload_file)
      : path_(std::move(path)), interval_ns_(interval_ns) {}

  // The audit watch has fired; `event` tells who.
  void fired(ExecEvent event, int64_t now_ns);
  // An event with the file's entries as its variables when it is time to look
  // and it holds other ones than before; once a day the same again, so that
  // they stay known.
  [[nodiscard]] std::optional<ExecEvent> look(const Clock& clock);
  // When to look next (CLOCK_MONOTONIC, ns).
  [[nodiscard]] int64_t due_ns() const { return due_ns_; }

 private:
  std::string path_;
  int64_t interval_ns_;
  std::vector<EnvVar> entries_;
  ExecEvent toucher_;     // who fired last
  int64_t fired_ns_ = 0;  // 0 = nobody for long
  int64_t due_ns_ = 0;
  int64_t given_ns_ = 0;
};

}  // namespace preload
