// SPDX-License-Identifier: Apache-2.0
// Names of users for a thread that needs them now and must not hang.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "preload/base/clock.h"
#include "preload/base/timed_call.h"

namespace preload {

// The name of a user; empty when there is none. May block for minutes, on a
// directory server that does not answer.
[[nodiscard]] std::string look_up_user(uint32_t uid);

// Remembers names for an hour, and for a minute that one was not found or not
// in time. One thread.
class UserNames {
 public:
  static constexpr size_t kMaxNames = 4096;
  using LookUp = std::function<std::string(uint32_t)>;

  explicit UserNames(const Clock& clock, LookUp look_up = look_up_user)
      : clock_(clock), look_up_(std::move(look_up)) {}

  // Waits for at most TimedCall::kPatience. Empty: not found, or not in time.
  [[nodiscard]] std::string name_of(uint32_t uid);

 private:
  struct Name {
    std::string name;
    int64_t until_ns = 0;
  };

  const Clock& clock_;
  LookUp look_up_;
  // A name that takes a moment is better than none, so the sum is not bounded;
  // the number of look-ups that hang is.
  TimedCall call_{"looking up a user"};
  std::map<uint32_t, Name> names_;
};

}  // namespace preload
