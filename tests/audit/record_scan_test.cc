// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/record_scan.h"

#include <random>

#include <gtest/gtest.h>

#include "records.h"

namespace preload {
namespace {

using test::sample_exec;
using test::syscall_record;
using test::untrusted;

TEST(RecordScan, ReadsTheHead) {
  const auto record =
      scan_record("type=CWD msg=audit(1795484879.068:7): cwd=\"/\"");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->type, RecordType::kCwd);
  EXPECT_EQ(record->id.audit_id(), (AuditId{1795484879, 68, 7, ""}));
  EXPECT_EQ(to_string(record->id.audit_id()), "1795484879.068:7");
  EXPECT_EQ(record->body, "cwd=\"/\"");
}

TEST(RecordScan, ReadsNodeAndTrimmedEoe) {
  const auto record =
      scan_record("node=db1.example type=EOE msg=audit(1.000:4294967296):");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->type, RecordType::kEoe);
  EXPECT_EQ(record->id.node, "db1.example");
  EXPECT_EQ(record->id.serial, 4294967296U);
  EXPECT_EQ(record->text, "type=EOE msg=audit(1.000:4294967296):");
  EXPECT_EQ(record->body, "");
}

TEST(RecordScan, KnowsTypesByNumber) {
  const auto type_of = [](const std::string& name) {
    return scan_record("type=" + name + " msg=audit(1.000:1): ")->type;
  };
  EXPECT_EQ(type_of("UNKNOWN[1300]"), RecordType::kSyscall);
  EXPECT_EQ(type_of("UNKNOWN[1309]"), RecordType::kExecve);
  EXPECT_EQ(type_of("UNKNOWN[1327]"), RecordType::kProctitle);
  EXPECT_EQ(type_of("UNKNOWN[1420]"), RecordType::kOther);
  EXPECT_EQ(type_of("SYSCALLS"), RecordType::kOther);
  EXPECT_EQ(type_of("PATH"), RecordType::kOther);
}

TEST(RecordScan, RefusesWhatIsNoRecord) {
  for (std::string_view line :
       {"", " ", "type=", "type=SYSCALL", "type=SYSCALL msg=audit(",
        "type=SYSCALL msg=audit(1.068:7)", "type=SYSCALL msg=audit(1.068:): ",
        "type=SYSCALL msg=audit(1.1000:7): ", "type=SYSCALL msg=audit(x): ",
        "type=SYSCALL msg=audit(1.068:0): ", "type=SYSCALL  msg=audit(1.0:7): ",
        "type=SYSCALL msg=audit(99999999999999999999.068:7): ",
        "type=SYSCALL msg=audit(-5.068:7): ", " type=EOE msg=audit(1.000:1):",
        "node=x", "node=x ", "node=type=EOE msg=audit(1.000:1):",
        "xnode=a type=EOE msg=audit(1.000:1):"}) {
    EXPECT_FALSE(scan_record(line)) << line;
  }
}

TEST(RecordScan, ReadsASyscallRecord) {
  const std::string line = syscall_record(sample_exec(), {});
  const auto scan = scan_syscall(scan_record(line)->body);
  ASSERT_TRUE(scan);
  EXPECT_EQ(scan->arch, 0xc000003eU);
  EXPECT_EQ(scan->syscall, 59U);
  EXPECT_TRUE(scan->success);
  EXPECT_EQ(scan->pid, 1234);
  EXPECT_EQ(scan->ppid, 1200);
  EXPECT_EQ(scan->exe.text, "/usr/bin/id");
  EXPECT_FALSE(scan->exe.is_hex);
  EXPECT_EQ(scan->key.text, "preload-exec");
}

TEST(RecordScan, TakesTheKernelsFieldsOnly) {
  const std::string begin = "arch=c000003e syscall=59 ";
  // Interpretations and what could follow exe do not count.
  EXPECT_FALSE(scan_syscall(begin + "success=yes\x1dpid=5"));
  EXPECT_FALSE(scan_syscall(begin + "exe=\"/x\" pid=5"));
  // The first of a name counts; a name only where a field begins.
  const std::string body =
      begin +
      "xsuccess=no success=yes ppid=4 pid=5 success=no comm=pid=6 pid=7 "
      "exe=\"/x\" subj=a key=\"false\" b key=\"true\"\x1d"
      "UID=\"eve\" key=\"later\"";
  const auto scan = scan_syscall(body);
  ASSERT_TRUE(scan);
  EXPECT_TRUE(scan->success);
  EXPECT_EQ(scan->pid, 5);
  EXPECT_EQ(scan->ppid, 4);
  EXPECT_EQ(scan->key.text, "true");
}

TEST(RecordScan, RefusesNumbersThatAreNone) {
  for (std::string_view body :
       {"", "arch=c000003e", "arch=c000003e syscall=59",
        "arch=xyz syscall=59 pid=1", "arch=c000003e syscall=59x pid=1",
        "arch=c000003e syscall=59 pid=", "arch=c000003e syscall=59 pid=0",
        "arch=c000003e syscall=59 pid=99999999999",
        "arch=c000003ec000003e syscall=59 pid=1"}) {
    EXPECT_FALSE(scan_syscall(body)) << body;
  }
  EXPECT_TRUE(scan_syscall("arch=c000003e syscall=-1 pid=1"));
  // No success= when the call never returned.
  EXPECT_FALSE(scan_syscall("arch=c000003e syscall=59 pid=1")->success);
}

TEST(RecordScan, DecodesWhatTheKernelEncodes) {
  std::mt19937 random(11);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random() % 30, '\0');
    for (char& c : bytes)
      c = static_cast<char>(random() % 3 == 0 ? 1 + random() % 255
                                              : 'a' + random() % 6);
    // An empty string is "", and what looks like digits is in quotes.
    ASSERT_EQ(EncodedValue::of(untrusted(bytes)).decoded(), bytes);
  }
  EXPECT_EQ(EncodedValue::of("(null)").decoded(), "");
  EXPECT_EQ(EncodedValue::of("\"(null)\"").decoded(), "(null)");
  EXPECT_EQ(EncodedValue::of("\"").decoded(), "\"");
  EXPECT_EQ(EncodedValue::of("2F62696").decoded(), "2F62696");  // odd
  EXPECT_EQ(EncodedValue::of("2F6g").decoded(), "2F6g");
}

TEST(RecordScan, FindsOneOfSeveralKeys) {
  const auto key = [](std::string_view bytes) {
    static std::string kept;
    kept = untrusted(bytes);
    return EncodedValue::of(kept);
  };
  EXPECT_TRUE(has_key(key("preload-file"), "preload-file"));
  EXPECT_TRUE(has_key(key("a\x01preload-file"), "preload-file"));
  EXPECT_TRUE(has_key(key("preload-file\x01"
                          "b"),
                      "preload-file"));
  EXPECT_FALSE(has_key(key("a\x01preload-files"), "preload-file"));
  EXPECT_FALSE(has_key(key("a preload-file"), "preload-file"));
  EXPECT_FALSE(has_key({}, "preload-file"));
}

TEST(RecordScan, KnowsDynamicLoaders) {
  for (std::string_view path :
       {"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/lib/ld-linux.so.2",
        "/lib/ld-linux-aarch64.so.1", "/lib64/ld64.so.2", "/lib/ld.so.1",
        "/usr/bin/ld.so", "/lib/x86_64-linux-gnu/ld-2.31.so",
        "/lib/ld-musl-x86_64.so.1", "/usr/lib/x86_64-linux-musl/libc.so",
        "/lib/ld-uClibc.so.0", "ld-linux.so.2 (deleted)",
        "/tmp/ld-linux-x86-64.so.2 (deleted)"}) {
    EXPECT_TRUE(is_loader(path)) << path;
  }
  for (std::string_view path :
       {"", "/", "/usr/bin/ld", "/usr/bin/ld.bfd", "/usr/bin/ld.gold",
        "/usr/bin/ls", "/lib/libc.so.6", "/usr/bin/ld-elf", "/x/ld.sofa",
        "/opt/ld-linux.so.2/app"}) {
    EXPECT_FALSE(is_loader(path)) << path;
  }
}

TEST(RecordScan, NeverReadsOutsideTheLine) {
  std::mt19937 random(3);
  const std::string line = syscall_record(sample_exec(), {.enriched = true});
  for (int round = 0; round < 20'000; ++round) {
    // On the heap and exactly as long, so that a sanitizer sees a step over.
    std::string cut = line.substr(0, random() % (line.size() + 1));
    for (size_t n = random() % 3; n > 0 && !cut.empty(); --n)
      cut[random() % cut.size()] = static_cast<char>(random());
    const std::vector<char> exact(cut.begin(), cut.end());
    if (const auto record = scan_record({exact.data(), exact.size()}))
      (void)scan_syscall(record->body);
  }
}

TEST(ExecNames, KnowsEveryArchitecture) {
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
    EXPECT_EQ(exec_name(c.arch, c.execve), "execve") << std::hex << c.arch;
    EXPECT_EQ(exec_name(c.arch, c.execveat), "execveat") << std::hex << c.arch;
  }
}

TEST(ExecNames, KnowsNoOther) {
  EXPECT_EQ(exec_name(0xc000003e, 11), "");  // munmap there
  EXPECT_EQ(exec_name(0x40000003, 59), "");
  EXPECT_EQ(exec_name(0, 59), "");
  EXPECT_EQ(exec_name(UINT32_MAX, UINT32_MAX), "");
}

}  // namespace
}  // namespace preload
