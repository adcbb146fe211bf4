// SPDX-License-Identifier: Apache-2.0
// What auditd reported about one exec.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace preload {

// Microseconds since the epoch.
[[nodiscard]] constexpr int64_t wall_time_us(int64_t sec, uint32_t ms) {
  return sec * 1'000'000 + int64_t{ms} * 1'000;
}

// Names an audit event as `ausearch -a` and `msg=audit(SEC.MS:SERIAL)` do.
struct AuditId {
  int64_t sec = 0;  // since the epoch; the coarse clock at syscall entry
  uint32_t ms = 0;  // milliseconds, 0 to 999
  uint64_t serial = 0;
  std::string node;  // of `node=`, mostly empty

  bool operator==(const AuditId&) const = default;
  [[nodiscard]] int64_t wall_us() const { return wall_time_us(sec, ms); }
};

// "1795484879.068:7"; empty for no event (serial 0).
[[nodiscard]] std::string to_string(const AuditId& id);

// A successful exec, parsed by libauparse. Strings are exact bytes; ids are
// UINT32_MAX where audit says unset.
struct AuditExec {
  AuditId id;
  int32_t pid = 0;
  int32_t ppid = 0;
  std::string syscall;  // "execve" or "execveat"
  uint32_t auid = UINT32_MAX;
  uint32_t uid = UINT32_MAX;
  uint32_t euid = UINT32_MAX;
  uint32_t gid = UINT32_MAX;
  uint32_t egid = UINT32_MAX;
  uint32_t ses = UINT32_MAX;
  std::string tty;  // "pts0", "(none)"
  std::string comm;
  std::string exe;
  std::string key;  // several keys: joined with ','
  std::string cwd;
  std::vector<std::string> argv;
  uint64_t argc = 0;  // as EXECVE says; may exceed argv.size()
  // From enriched records; empty for raw ones.
  std::string uid_name;
  std::string auid_name;
};

}  // namespace preload
