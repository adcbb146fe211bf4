// SPDX-License-Identifier: Apache-2.0
// Rules are compiled by libaudit as auditctl does it, and decoded by us.
#include "preload/doctor/audit_status.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <libaudit.h>

// libaudit's own, set by auditctl: an architecture comes before
// system calls, a key after them.
// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" int _audit_syscalladded;

namespace preload {
namespace {

using testing::ElementsAre;

// The architecture comes first, as libaudit wants it: `-F arch=b64 -S ...`.
std::vector<std::byte> compile(int list, int action, const std::string& arch,
                               const std::vector<std::string>& syscalls,
                               const std::vector<std::string>& fields) {
  auto* rule =
      static_cast<audit_rule_data*>(std::calloc(1, sizeof(audit_rule_data)));
  const auto add = [&](std::string pair) {
    EXPECT_EQ(audit_rule_fieldpair_data(&rule, pair.data(), list), 0) << pair;
  };
  _audit_syscalladded = 0;
  if (!arch.empty())
    add("arch=" + arch);
  for (const std::string& syscall : syscalls)
    EXPECT_EQ(audit_rule_syscallbyname_data(rule, syscall.c_str()), 0)
        << syscall;
  _audit_syscalladded = 1;
  for (const std::string& field : fields)
    add(field);
  rule->flags = static_cast<uint32_t>(list);
  rule->action = static_cast<uint32_t>(action);
  std::vector<std::byte> bytes(sizeof *rule + rule->buflen);
  std::memcpy(bytes.data(), rule, bytes.size());
  std::free(rule);
  return bytes;
}

TEST(DecodeRule, TakesTheExecRulesApart) {
  const auto rule = decode_rule(
      compile(AUDIT_FILTER_EXIT, AUDIT_ALWAYS, "b32", {"execve", "execveat"},
              {"key=a\x01preload-exec", "success=1"}));
  ASSERT_TRUE(rule);
  EXPECT_TRUE(rule->reports);
  EXPECT_FALSE(rule->narrowed);
  EXPECT_EQ(rule->syscalls.count(), 2U);
  EXPECT_TRUE(rule->syscalls[11]);
  EXPECT_TRUE(rule->syscalls[358]);
  EXPECT_THAT(rule->keys, ElementsAre("a", "preload-exec"));
#if defined(__x86_64__)
  EXPECT_EQ(rule->arch, uint32_t{AUDIT_ARCH_I386});
#endif
}

TEST(DecodeRule, SeesConditions) {
  for (const char* condition : {"auid>=1000", "auid!=unset", "success=0"}) {
    const auto rule = decode_rule(compile(AUDIT_FILTER_EXIT, AUDIT_ALWAYS,
                                          "b64", {"execve"}, {condition}));
    ASSERT_TRUE(rule);
    EXPECT_TRUE(rule->reports);
    EXPECT_TRUE(rule->narrowed) << condition;
  }
}

TEST(DecodeRule, TellsTheListsAndActionsApart) {
  const auto task =
      decode_rule(compile(AUDIT_FILTER_TASK, AUDIT_NEVER, "", {}, {}));
  ASSERT_TRUE(task);
  EXPECT_TRUE(task->silences);
  EXPECT_FALSE(task->reports);
  for (const auto& [list, action] : {std::pair(AUDIT_FILTER_EXIT, AUDIT_NEVER),
                                     {AUDIT_FILTER_TASK, AUDIT_ALWAYS},
                                     {AUDIT_FILTER_EXCLUDE, AUDIT_ALWAYS}}) {
    const auto rule = decode_rule(compile(list, action, "", {}, {}));
    ASSERT_TRUE(rule);
    EXPECT_FALSE(rule->silences || rule->reports) << list;
  }
}

TEST(DecodeRule, ReadsAWatch) {
  const auto rule = decode_rule(
      compile(AUDIT_FILTER_EXIT, AUDIT_ALWAYS, "", {},
              {"path=/etc/ld.so.preload", "perm=wa", "key=preload-file"}));
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->path, "/etc/ld.so.preload");
  EXPECT_THAT(rule->keys, ElementsAre("preload-file"));
  EXPECT_FALSE(rule->narrowed);
  EXPECT_FALSE(rule->arch);
}

TEST(DecodeRule, RefusesWhatIsCutOrLies) {
  const auto whole = compile(AUDIT_FILTER_EXIT, AUDIT_ALWAYS, "", {},
                             {"path=/etc/ld.so.preload", "key=k"});
  ASSERT_TRUE(decode_rule(whole));
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(decode_rule(std::span(whole).first(size))) << size;
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = whole;
    for (unsigned n = random() % 8; n-- > 0;)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    const auto rule = decode_rule(bytes);
    EXPECT_TRUE(!rule || rule->path.size() <= bytes.size());
  }
}

TEST(ExecAbis, AreThoseOfThisMachine) {
  const auto abis = exec_abis();
  ASSERT_FALSE(abis.empty());
#if defined(__x86_64__)
  ASSERT_EQ(abis.size(), 2U);
  EXPECT_EQ(abis[0].name, "b64");
  EXPECT_EQ(abis[0].arch, uint32_t{AUDIT_ARCH_X86_64});
  EXPECT_EQ(abis[0].execve, 59U);
  EXPECT_EQ(abis[0].execveat, 322U);
  EXPECT_EQ(abis[1].name, "b32");
  EXPECT_EQ(abis[1].arch, uint32_t{AUDIT_ARCH_I386});
  EXPECT_EQ(abis[1].execve, 11U);
  EXPECT_EQ(abis[1].execveat, 358U);
#endif
}

// Only reads. Without the capability the refusal is what is tested.
TEST(AuditStatus, IsAskedOfThisKernel) {
  const auto status = request_audit_status();
  const auto rules = request_audit_rules();
  if (!status) {
    EXPECT_FALSE(status.error().context.empty());
    EXPECT_NE(status.error().code.value(), 0);
    EXPECT_FALSE(rules);
    return;
  }
  EXPECT_LE(status->enabled, 2U);
  EXPECT_TRUE(rules) << rules.error().message();
}

}  // namespace
}  // namespace preload
