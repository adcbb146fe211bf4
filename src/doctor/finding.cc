// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/finding.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "preload/base/text.h"

namespace preload {
namespace {

std::string_view tag_of(Health health) {
  switch (health) {
    case Health::kGood:
      return "ok    ";
    case Health::kWarning:
      return "warn  ";
    case Health::kBroken:
      return "FAIL  ";
    case Health::kUnknown:
      return "skip  ";
    case Health::kNote:
      return "note  ";
  }
  return "";
}

}  // namespace

Finding good(std::string condition, std::string what) {
  return {Health::kGood, std::move(condition), std::move(what), {}};
}

Finding warning(std::string condition, std::string what, std::string mend) {
  return {Health::kWarning, std::move(condition), std::move(what),
          std::move(mend)};
}

Finding broken(std::string condition, std::string what, std::string mend) {
  return {Health::kBroken, std::move(condition), std::move(what),
          std::move(mend)};
}

Finding unknown(std::string condition, std::string why) {
  return {Health::kUnknown, std::move(condition), std::move(why), {}};
}

Finding note(std::string condition, std::string what) {
  return {Health::kNote, std::move(condition), std::move(what), {}};
}

std::string to_line(const Finding& finding) {
  std::string line(tag_of(finding.health));
  line += escaped(finding.condition);
  if (!finding.what.empty())
    line += ": " + escaped(finding.what);
  if (!finding.mend.empty())
    line += "; " + escaped(finding.mend);
  return line;
}

bool any_broken(std::span<const Finding> findings) {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& f) {
    return f.health == Health::kBroken;
  });
}

}  // namespace preload
