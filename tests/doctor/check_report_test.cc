// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_report.h"

#include <gtest/gtest.h>

namespace preload {
namespace {

TEST(CheckReport, HasOneLinePerResultWithTheRemedy) {
  CheckReport report;
  report.ok("syslog");
  report.ok("syslog", "/dev/log");
  report.warning("backlog", "small", "-b 8192");
  report.failure("auditd running", "it does not", "start it");
  report.skipped("rules", "only root may ask");
  report.note("rule", "has 0 exceptions");
  std::string lines;
  for (const CheckResult& result : report.results())
    lines += to_line(result) + "\n";
  EXPECT_EQ(lines,
            "ok    syslog\n"
            "ok    syslog: /dev/log\n"
            "warn  backlog: small; -b 8192\n"
            "FAIL  auditd running: it does not; start it\n"
            "skip  rules: only root may ask\n"
            "note  rule: has 0 exceptions\n");
  EXPECT_EQ(report.summary(), "1 failed, 1 warning, 1 skipped");
}

TEST(CheckReport, EscapesWhatItQuotes) {
  EXPECT_EQ(to_line({CheckStatus::kFailed, "a\nok    b", "c\x1b[2J", "d\xff"}),
            "FAIL  a\\x0aok    b: c\\x1b[2J; d\\xff");
}

}  // namespace
}  // namespace preload
