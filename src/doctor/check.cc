// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <utility>

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
          matches =
              fmt::format("{} hits, last {}", h.hits, iso_time(h.last_hit_us));
    lines.push_back(
        line_of(fmt::format("exception (line {})", exception.line),
                {CheckStatus::kNote, exception.text + " - " + matches, {}}));
  }
}

}  // namespace

CheckResult ok(std::string what) {
  return {CheckStatus::kOk, std::move(what), {}};
}

CheckResult warning(std::string what, std::string remedy) {
  return {CheckStatus::kWarning, std::move(what), std::move(remedy)};
}

CheckResult failure(std::string what, std::string remedy) {
  return {CheckStatus::kFailed, std::move(what), std::move(remedy)};
}

CheckResult skipped(std::string why) {
  return {CheckStatus::kSkipped, std::move(why), {}};
}

CheckResult failure(const Deployment& deployment, const Error& error,
                    std::string remedy) {
  const int code = error.code.value();
  if (!deployment.root && (code == EPERM || code == EACCES))
    return skipped("only root may ask: " + error.message());
  return failure(error.message(), std::move(remedy));
}

CheckReport check_report(const Deployment& deployment) {
  CheckReport report;
  std::array<size_t, kTags.size()> counts{};
  for (const Check& check : kChecks) {
    const CheckResult result = check.run(deployment);
    ++counts.at(static_cast<size_t>(result.status));
    report.lines.push_back(line_of(check.name, result));
  }
  list_exceptions(deployment, report.lines);
  const auto count = [&](CheckStatus status) {
    return counts.at(static_cast<size_t>(status));
  };
  const size_t warnings = count(CheckStatus::kWarning);
  report.broken = count(CheckStatus::kFailed) > 0;
  report.lines.push_back(fmt::format(
      "{} failed, {} warning{}, {} skipped", count(CheckStatus::kFailed),
      warnings, warnings == 1 ? "" : "s", count(CheckStatus::kSkipped)));
  return report;
}

int check(const std::string& config_file) {
  const CheckReport report = check_report(examine_deployment(config_file));
  for (const std::string& line : report.lines)
    std::puts(line.c_str());
  return report.broken ? kExitBroken : kExitGood;
}

}  // namespace preload
