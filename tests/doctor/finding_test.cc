// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/finding.h"

#include <vector>

#include <gtest/gtest.h>

namespace preload {
namespace {

TEST(Finding, IsOneLineThatSaysWhatAndTheMend) {
  EXPECT_EQ(to_line(good("syslog")), "ok    syslog");
  EXPECT_EQ(to_line(good("syslog", "/dev/log")), "ok    syslog: /dev/log");
  EXPECT_EQ(to_line(warning("backlog", "small", "-b 8192")),
            "warn  backlog: small; -b 8192");
  EXPECT_EQ(to_line(broken("auditd running", "it does not", "start it")),
            "FAIL  auditd running: it does not; start it");
  EXPECT_EQ(to_line(unknown("rules", "only root may ask")),
            "skip  rules: only root may ask");
  EXPECT_EQ(to_line(note("rule", "has 0 exceptions")),
            "note  rule: has 0 exceptions");
}

TEST(Finding, CannotBeForgedByWhatItQuotes) {
  EXPECT_EQ(to_line(broken("a\nok    b", "c\x1b[2J", "d\xff")),
            "FAIL  a\\x0aok    b: c\\x1b[2J; d\\xff");
}

TEST(Finding, OnlyBrokenOnesBreak) {
  std::vector<Finding> findings{good("a"), warning("b", "", ""),
                                unknown("c", ""), note("d", "")};
  EXPECT_FALSE(any_broken(findings));
  findings.push_back(broken("e", "", ""));
  EXPECT_TRUE(any_broken(findings));
}

}  // namespace
}  // namespace preload
