// SPDX-License-Identifier: Apache-2.0
// Entries of /etc/ld.so.preload, which ld.so loads into every dynamic program.
//
// Names separated by blanks, tabs, newlines or colons; # begins a comment to
// the end of the line. glibc (elf/rtld.c dl_main) has an error in stripping
// comments: it searches each further # from the beginning of the file, but only
// through as many bytes as remain after the comment before, so a comment after
// a long one can stay, and its words are loaded. This parser does the same, so
// that no entry can be hidden from it. (musl has no such file.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "preload/base/clock.h"
#include "preload/correlate/exec_event.h"

namespace preload {

inline constexpr std::string_view kPreloadFile = "/etc/ld.so.preload";
// As the variable of its terms.
inline constexpr std::string_view kPreloadFileVariable = "ld.so.preload";
// More than this is not read: 10,000 entries have room.
inline constexpr size_t kMaxPreloadFileBytes = size_t{1} << 20;

// The entries of the file's content, as glibc would load them, in order.
[[nodiscard]] std::vector<EnvVar> preload_file_entries(
    std::string_view content);

// Of the file itself; none when it is not there, or not a regular file. May
// block on its file system.
[[nodiscard]] std::vector<EnvVar> read_preload_file(const std::string& path);

// Decides when to read the file, and when its entries make an event. The audit
// watch fires when a writer opens the file, before it has written; so the file
// is read a few times after that, and at an interval in any case. The thread
// "late" does the reading. For one thread.
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
