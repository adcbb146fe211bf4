// SPDX-License-Identifier: Apache-2.0
// Decides when to read /etc/ld.so.preload, and when its entries make an event.
// The audit watch fires when a writer opens the file, before it has written; so
// the file is read a few times after that, and at an interval in any case. The
// thread "late" does the reading.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "preload/base/clock.h"
#include "preload/correlate/exec_event.h"

namespace preload {

// One thread.
class PreloadFileWatch {
 public:
  explicit PreloadFileWatch(int64_t interval_ns = Timing().preload_file)
      : interval_ns_(interval_ns) {}

  // The audit watch has fired; `event` says who opened the file.
  void fired(ExecEventPtr event, int64_t now_ns);
  // When to read next (CLOCK_MONOTONIC).
  [[nodiscard]] int64_t due_ns() const { return due_ns_; }
  // It is being read now.
  void reading(int64_t now_ns);
  // What it holds: an event with the entries as its variables when they are
  // other ones than before, and once a day the same again, so that they stay
  // known.
  [[nodiscard]] ExecEventPtr take(std::vector<EnvVar> entries,
                                  const Clock& clock);

 private:
  [[nodiscard]] bool fired_lately(int64_t now_ns) const;

  int64_t interval_ns_;
  std::vector<EnvVar> entries_;
  ExecEventPtr opened_by_;  // the last; null = nobody
  int64_t fired_ns_ = 0;
  int64_t due_ns_ = 0;
  int64_t given_ns_ = 0;
};

}  // namespace preload
