// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/exec_syscalls.h"

#include <libaudit.h>

namespace preload {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kRiscv64 = 0xc00000f3;
constexpr uint32_t kLoongarch64 = 0xc0000102;

uint64_t key_of(uint32_t arch, uint32_t syscall) {
  return uint64_t{arch} << 32 | syscall;
}

}  // namespace

ExecSyscalls ExecSyscalls::from_libaudit() {
  ExecSyscalls table;
  // libaudit numbers its machines from 0 and has a few dozen at most; it
  // answers 0 and -1 for those it was built without.
  for (int machine = 0; machine < 64; ++machine) {
    const unsigned int arch = audit_machine_to_elf(machine);
    for (const char* name : {"execve", "execveat"}) {
      const int syscall = audit_name_to_syscall(name, machine);
      if (arch != 0 && syscall >= 0)
        table.add(arch, static_cast<uint32_t>(syscall), name);
    }
  }
  table.add(AUDIT_ARCH_X86_64, kX32Bit | 520, "execve");
  table.add(AUDIT_ARCH_X86_64, kX32Bit | 545, "execveat");
  for (const uint32_t arch : {kRiscv64, kLoongarch64}) {
    table.add(arch, 221, "execve");
    table.add(arch, 281, "execveat");
  }
  return table;
}

void ExecSyscalls::add(uint32_t arch, uint32_t syscall, std::string_view name) {
  names_.emplace(key_of(arch, syscall), name);
}

std::string_view ExecSyscalls::name_of(uint32_t arch, uint32_t syscall) const {
  const auto found = names_.find(key_of(arch, syscall));
  return found != names_.end() ? found->second : std::string_view();
}

}  // namespace preload
