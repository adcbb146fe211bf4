// SPDX-License-Identifier: Apache-2.0
// Opens and reads files below /proc into memory of the caller. Nothing here
// allocates, so listeners use it too.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "preload/base/fd.h"

namespace preload {

// Room for any link, and for a line of stat.
inline constexpr size_t kMaxLink = 4096;
inline constexpr size_t kMaxStat = 1024;

// "PID/name", relative to /proc.
class ProcPath {
 public:
  // `name` begins with '/' and has at most 32 characters, or is empty.
  ProcPath(int32_t pid, std::string_view name);
  [[nodiscard]] const char* c_str() const { return path_.data(); }

 private:
  std::array<char, 48> path_;
};

[[nodiscard]] Fd open_file(int dir, const char* path);
// As much of the file as there is room for; empty when it cannot be read.
[[nodiscard]] std::string_view read_file(int dir, const char* path,
                                         std::span<char> room);
// Target of the link; empty when it cannot be read, with errno.
[[nodiscard]] std::string_view read_link(int dir, const char* path,
                                         std::span<char> room);

// The present time, or that of some seconds ago, as the start time of a process
// is counted: ProcessStat::start_ticks.
[[nodiscard]] uint64_t now_ticks(uint64_t seconds_ago = 0);
[[nodiscard]] uint64_t ticks_per_second();

}  // namespace preload
