// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/exec_syscalls.h"

#include <algorithm>
#include <array>
#include <tuple>

#include <libaudit.h>

namespace preload {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;

}  // namespace

ExecSyscalls ExecSyscalls::from_libaudit() {
  constexpr std::array<std::string_view, 2> kNames{"execve", "execveat"};
  constexpr uint32_t kRiscv64 = 0xc00000f3, kLoongarch64 = 0xc0000102;
  ExecSyscalls table;
  table.rows_ = {
      {AUDIT_ARCH_X86_64, kX32Bit | 520, kNames[0]},
      {AUDIT_ARCH_X86_64, kX32Bit | 545, kNames[1]},
      {kRiscv64, 221, kNames[0]},
      {kRiscv64, 281, kNames[1]},
      {kLoongarch64, 221, kNames[0]},
      {kLoongarch64, 281, kNames[1]},
  };
  // libaudit numbers its machines from 0 and has a few dozen at most; it
  // answers 0 and -1 for those it was built without.
  for (int machine = 0; machine < 64; ++machine) {
    const unsigned int arch = audit_machine_to_elf(machine);
    for (std::string_view name : kNames) {
      const int syscall = audit_name_to_syscall(name.data(), machine);
      if (arch != 0 && syscall >= 0)
        table.rows_.push_back({arch, static_cast<uint32_t>(syscall), name});
    }
  }
  std::sort(table.rows_.begin(), table.rows_.end(),
            [](const Row& a, const Row& b) {
              return std::tie(a.arch, a.syscall) < std::tie(b.arch, b.syscall);
            });
  return table;
}

std::string_view ExecSyscalls::name_of(uint32_t arch, uint32_t syscall) const {
  const auto row =
      std::partition_point(rows_.begin(), rows_.end(), [&](const Row& r) {
        return std::tie(r.arch, r.syscall) < std::tie(arch, syscall);
      });
  const bool found =
      row != rows_.end() && row->arch == arch && row->syscall == syscall;
  return found ? row->name : std::string_view{};
}

}  // namespace preload
