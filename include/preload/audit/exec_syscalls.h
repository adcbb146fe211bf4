// SPDX-License-Identifier: Apache-2.0
// Which system calls are an exec, on every architecture a record may name.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

namespace preload {

class ExecSyscalls {
 public:
  // Asks libaudit; adds what it has no tables for: x32, whose calls carry
  // AUDIT_ARCH_X86_64 and bit 30, and two architectures younger than 3.0.9.
  static ExecSyscalls from_libaudit();

  // "execve" or "execveat"; empty for any other call.
  [[nodiscard]] std::string_view name_of(uint32_t arch, uint32_t syscall) const;

 private:
  void add(uint32_t arch, uint32_t syscall, std::string_view name);

  std::unordered_map<uint64_t, std::string_view> names_;  // literals
};

}  // namespace preload
