// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "preload/base/text.h"

namespace preload {

std::string to_line(const CheckResult& result) {
  constexpr std::array<const char*, 5> kTags{"ok    ", "warn  ", "FAIL  ",
                                             "skip  ", "note  "};
  std::string line =
      kTags.at(static_cast<size_t>(result.status)) + escaped(result.condition);
  if (!result.what.empty())
    line += ": " + escaped(result.what);
  if (!result.remedy.empty())
    line += "; " + escaped(result.remedy);
  return line;
}

void CheckReport::ok(std::string condition, std::string what) {
  results_.push_back(
      {CheckStatus::kOk, std::move(condition), std::move(what), {}});
}

void CheckReport::warning(std::string condition, std::string what,
                          std::string remedy) {
  results_.push_back({CheckStatus::kWarning, std::move(condition),
                      std::move(what), std::move(remedy)});
}

void CheckReport::failure(std::string condition, std::string what,
                          std::string remedy) {
  results_.push_back({CheckStatus::kFailed, std::move(condition),
                      std::move(what), std::move(remedy)});
}

void CheckReport::skipped(std::string condition, std::string why) {
  results_.push_back(
      {CheckStatus::kSkipped, std::move(condition), std::move(why), {}});
}

void CheckReport::note(std::string condition, std::string what) {
  results_.push_back(
      {CheckStatus::kNote, std::move(condition), std::move(what), {}});
}

size_t CheckReport::count(CheckStatus status) const {
  return static_cast<size_t>(std::count_if(
      results_.begin(), results_.end(),
      [&](const CheckResult& result) { return result.status == status; }));
}

std::string CheckReport::summary() const {
  const size_t warnings = count(CheckStatus::kWarning);
  return fmt::format("{} failed, {} warning{}, {} skipped",
                     count(CheckStatus::kFailed), warnings,
                     warnings == 1 ? "" : "s", count(CheckStatus::kSkipped));
}

}  // namespace preload
