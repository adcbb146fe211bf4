// SPDX-License-Identifier: Apache-2.0
// What --check prints: one line per condition.
//
//   ok    <condition>[: <what>]
//   warn  <condition>: <what>; <remedy>    works, but not as well as it could
//   FAIL  <condition>: <what>; <remedy>    broken
//   skip  <condition>: <why it could not be checked>
//   note  <condition>: <what>              for information
//
// The tag is five columns wide, so `grep -v '^ok'` leaves what matters. Lines
// are escaped (base/text.h): values and paths come from outside.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace preload {

enum class CheckStatus : uint8_t { kOk, kWarning, kFailed, kSkipped, kNote };

struct CheckResult {
  CheckStatus status = CheckStatus::kOk;
  std::string condition;
  std::string what;
  std::string remedy;
};

// Without the line end.
[[nodiscard]] std::string to_line(const CheckResult& result);

class CheckReport {
 public:
  void ok(std::string condition, std::string what = "");
  void warning(std::string condition, std::string what, std::string remedy);
  void failure(std::string condition, std::string what, std::string remedy);
  void skipped(std::string condition, std::string why);
  void note(std::string condition, std::string what);

  [[nodiscard]] const std::vector<CheckResult>& results() const {
    return results_;
  }
  [[nodiscard]] size_t count(CheckStatus status) const;
  // "1 failed, 2 warnings, 0 skipped".
  [[nodiscard]] std::string summary() const;

 private:
  std::vector<CheckResult> results_;
};

}  // namespace preload
