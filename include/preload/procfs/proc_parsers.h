// SPDX-License-Identifier: Apache-2.0
// One parser for each file of /proc/PID (proc(5)). They take the text as it was
// read and allocate nothing; views point into that text. Fields that are not
// there keep their defaults.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace preload {

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

struct NameValue {
  std::string_view name;
  std::string_view value;
};
// Splits at the first '='; nothing without one.
[[nodiscard]] std::optional<NameValue> split_pair(std::string_view string);

}  // namespace preload
