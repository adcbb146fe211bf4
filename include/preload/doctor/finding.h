// SPDX-License-Identifier: Apache-2.0
// What the doctor says: one line per condition, for a tired human.
//
//   ok    <condition>[: <what>]
//   warn  <condition>: <what>; <mend>      works, but not as well as it could
//   FAIL  <condition>: <what>; <mend>      broken
//   skip  <condition>: <why it could not be looked at>
//   note  <condition>: <what>              neither good nor bad
//
// The tag is five columns wide, so `grep -v '^ok'` leaves what matters. Lines
// are escaped (base/text.h): values and paths come from outside.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace preload {

enum class Health : uint8_t { kGood, kWarning, kBroken, kUnknown, kNote };

struct Finding {
  Health health = Health::kGood;
  std::string condition;
  std::string what;
  std::string mend;
};

using Findings = std::vector<Finding>;

[[nodiscard]] Finding good(std::string condition, std::string what = "");
[[nodiscard]] Finding warning(std::string condition, std::string what,
                              std::string mend);
[[nodiscard]] Finding broken(std::string condition, std::string what,
                             std::string mend);
[[nodiscard]] Finding unknown(std::string condition, std::string why);
[[nodiscard]] Finding note(std::string condition, std::string what);

// Without the line end.
[[nodiscard]] std::string to_line(const Finding& finding);

[[nodiscard]] bool any_broken(std::span<const Finding> findings);

}  // namespace preload
