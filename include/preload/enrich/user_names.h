// SPDX-License-Identifier: Apache-2.0
// Names of users. The directory behind them may not answer for minutes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "preload/base/clock.h"
#include "preload/base/timed_call.h"

namespace preload {

// The name of a user; empty when there is none. May block for minutes.
[[nodiscard]] std::string look_up_user(uint32_t uid);

// The one cache of names: a name is kept for an hour, and for a minute that one
// was not found or not in time. Any thread.
class UserNames {
 public:
  static constexpr size_t kMaxNames = 4096;
  using LookUp = std::function<std::string(uint32_t)>;

  explicit UserNames(const Clock& clock, LookUp look_up = look_up_user)
      : clock_(clock), look_up_(std::move(look_up)) {}

  // Never blocks. Nothing: it must be looked up; empty: there is none.
  [[nodiscard]] std::optional<std::string> known(uint32_t uid);

  // Looks it up if it must; waits at most TimedCall::kPatience for that, and as
  // long for the look-up of another thread. Empty: not found, or not in time.
  [[nodiscard]] std::string name_of(uint32_t uid);

 private:
  struct Name {
    std::string name;
    int64_t until_ns = 0;
  };

  const Clock& clock_;
  LookUp look_up_;
  std::mutex call_mutex_;
  TimedCall call_{"looking up a user name"};
  std::mutex names_mutex_;
  std::map<uint32_t, Name> names_;
};

}  // namespace preload
