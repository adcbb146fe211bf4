// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/exec_syscalls.h"

#include <gtest/gtest.h>

namespace preload {
namespace {

TEST(ExecSyscalls, KnowsEveryArchitecture) {
  const ExecSyscalls table = ExecSyscalls::from_libaudit();
  struct Case {
    uint32_t arch, execve, execveat;
  };
  for (const Case& c : {Case{0xc000003e, 59, 322},                    // x86_64
                        Case{0x40000003, 11, 358},                    // i386
                        Case{0xc00000b7, 221, 281},                   // aarch64
                        Case{0x40000028, 11, 387},                    // arm
                        Case{0xc0000015, 11, 362},                    // ppc64le
                        Case{0x80000016, 11, 354},                    // s390x
                        Case{0xc00000f3, 221, 281},                   // riscv64
                        Case{0xc000003e, 0x40000208, 0x40000221}}) {  // x32
    EXPECT_EQ(table.name_of(c.arch, c.execve), "execve") << std::hex << c.arch;
    EXPECT_EQ(table.name_of(c.arch, c.execveat), "execveat")
        << std::hex << c.arch;
  }
}

TEST(ExecSyscalls, KnowsNoOther) {
  const ExecSyscalls table = ExecSyscalls::from_libaudit();
  EXPECT_EQ(table.name_of(0xc000003e, 11), "");  // munmap there
  EXPECT_EQ(table.name_of(0x40000003, 59), "");
  EXPECT_EQ(table.name_of(0, 59), "");
  EXPECT_EQ(table.name_of(UINT32_MAX, UINT32_MAX), "");
}

}  // namespace
}  // namespace preload
