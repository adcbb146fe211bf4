// SPDX-License-Identifier: Apache-2.0
// Status and rules of the kernel's audit system, asked through libaudit.
#pragma once

#include <linux/audit.h>

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "preload/base/result.h"

namespace preload {

// Needs CAP_AUDIT_CONTROL (EPERM); the kernel answers only in the first user
// and pid namespace, elsewhere ECONNREFUSED. Waits up to a second.
[[nodiscard]] Result<audit_status> request_audit_status();

// What --check asks of one loaded rule.
struct AuditRule {
  bool reports = false;   // always,exit
  bool silences = false;  // never,task
  // It has conditions besides those that follow and success=1, so it applies
  // to some programs only.
  bool narrowed = false;
  std::optional<uint32_t> arch;  // AUDIT_ARCH_*; nothing: every one
  std::bitset<2048> syscalls;
  std::string path;               // of a watch; exact bytes
  std::vector<std::string> keys;  // exact bytes
};

// All rules. As request_audit_status().
[[nodiscard]] Result<std::vector<AuditRule>> request_audit_rules();

// `bytes` are a struct audit_rule_data (linux/audit.h, host order):
//
//   offset  size  what
//        0     4  list: AUDIT_FILTER_*, with AUDIT_FILTER_PREPEND or not
//        4     4  action: AUDIT_NEVER, AUDIT_ALWAYS
//        8     4  number n of fields, at most 64
//       12   256  bits of system calls
//      268   256  fields: AUDIT_*
//      524   256  values; of a string field: its length
//      780   256  operators: AUDIT_EQUAL, ...
//     1036     4  bytes that follow
//     1040        the strings, in the order of their fields, without NULs
//
// Nothing for other bytes.
[[nodiscard]] std::optional<AuditRule> decode_rule(
    std::span<const std::byte> bytes);

// A system call interface of this machine.
struct ExecAbi {
  std::string name;  // as -F arch= takes it: b64, b32
  uint32_t arch = 0;
  uint32_t execve = 0;
  uint32_t execveat = 0;
};

// b64 first. The kernel need not run programs of the second, but takes rules
// for them.
[[nodiscard]] std::vector<ExecAbi> exec_abis();

}  // namespace preload
