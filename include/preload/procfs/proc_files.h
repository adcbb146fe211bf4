// SPDX-License-Identifier: Apache-2.0
// Opens and reads files below /proc into memory of the caller, and parses them.
// Nothing here allocates, so listeners use it too.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
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

// One parser for each file of /proc/PID (proc(5)). Views point into the text
// that is given. Fields that are not there keep their defaults.

// An id that is not set: of loginuid and sessionid, or not readable.
inline constexpr uint32_t kUnsetId = UINT32_MAX;

struct ProcessStat {
  bool valid = false;  // it was a line of stat, up to the start time
  int32_t ppid = 0;
  int32_t tty_nr = 0;        // device number, 0 = none
  uint64_t start_ticks = 0;  // since boot, in clock ticks
  // Of the environment; nothing for a zombie, which has no memory any more.
  std::optional<size_t> environ_bytes;
};
[[nodiscard]] ProcessStat parse_stat(std::string_view stat);

struct ProcessIds {
  uint32_t uid = kUnsetId;
  uint32_t euid = kUnsetId;
  uint32_t gid = kUnsetId;
  uint32_t egid = kUnsetId;
};
// Of status.
[[nodiscard]] ProcessIds parse_status_ids(std::string_view status);
// Of loginuid and sessionid: one number.
[[nodiscard]] uint32_t parse_id(std::string_view text);

struct Auxv {
  std::optional<bool> secure;          // AT_SECURE
  std::optional<bool> no_interpreter;  // AT_BASE is 0
};
// Of a 64-bit or a 32-bit program.
[[nodiscard]] Auxv parse_auxv(std::string_view auxv);

struct Mapping {
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  uint64_t inode = 0;
  std::string_view path;  // as /proc escapes it; " (deleted)" may follow
};
// The first line of maps, which is taken off `maps`. Nothing at the end; lines
// without a file are passed over.
[[nodiscard]] std::optional<Mapping> next_mapping(std::string_view& maps);

// "/user.slice/…" of the line of cgroup v2, or of the last hierarchy of v1.
[[nodiscard]] std::string_view parse_cgroup(std::string_view cgroup);

// The first string of a block as environ and cmdline are: NUL ends each, the
// last one's may be missing. It is taken off `block`, which is not empty.
[[nodiscard]] std::string_view next_string(std::string_view& block);

}  // namespace preload
