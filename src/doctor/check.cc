// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check.h"

#include <cerrno>
#include <cstdio>
#include <map>

#include "preload/base/exit_code.h"
#include "preload/base/text.h"

namespace preload {
namespace {

constexpr std::array<const char*, 5> kTags{"ok    ", "warn  ", "FAIL  ",
                                           "skip  ", "note  "};

std::string line_of(const std::string& condition, const CheckResult& result) {
  std::string line =
      kTags.at(static_cast<size_t>(result.status)) + escaped(condition);
  if (!result.what.empty())
    line += ": " + escaped(result.what);
  if (!result.remedy.empty())
    line += "; " + escaped(result.remedy);
  return line;
}

// Each exception with the number of its matches.
void list_exceptions(const Deployment& deployment,
                     std::vector<std::string>& lines) {
  for (const ExceptionLine& exception : deployment.settings().exceptions) {
    std::string matches = deployment.history ? "never hit" : "hits not known";
    if (deployment.history)
      for (const ExceptionHits& h : deployment.history->hits)
        if (h.text == exception.text)
          matches = fmt::format("{}, last {}", counted(h.hits, "hit"),
                                iso_time(h.last_hit_us));
    lines.push_back(
        line_of(fmt::format("exception (line {})", exception.line),
                {CheckStatus::kNote, exception.text + " - " + matches, {}}));
  }
}

}  // namespace

CheckResult failure(const Deployment& deployment, const Error& error,
                    std::string remedy) {
  const int code = error.code.value();
  if (!deployment.root && (code == EPERM || code == EACCES))
    return skipped("only root may ask: " + error.message());
  return failure(error.message(), std::move(remedy));
}

CheckReport check_report(const Deployment& deployment) {
  CheckReport report;
  std::map<CheckStatus, size_t> counts;
  for (const Check& check : kChecks) {
    const CheckResult result = check.run(deployment);
    ++counts[result.status];
    report.lines.push_back(line_of(check.name, result));
  }
  list_exceptions(deployment, report.lines);
  const size_t failed = counts[CheckStatus::kFailed];
  report.broken = failed > 0;
  report.lines.push_back(
      fmt::format("{} failed, {}, {} skipped", failed,
                  counted(counts[CheckStatus::kWarning], "warning"),
                  counts[CheckStatus::kSkipped]));
  return report;
}

int check(const std::string& config_file) {
  const CheckReport report = check_report(examine_deployment(config_file));
  for (const std::string& line : report.lines)
    std::puts(line.c_str());
  return report.broken ? kExitBroken : kExitGood;
}

}  // namespace preload
