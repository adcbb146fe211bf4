// SPDX-License-Identifier: Apache-2.0
// --self-test: proof that an exec becomes a stored, sent alert here and now.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "preload/base/result.h"

namespace preload {

struct SelfTest {
  std::string database;  // the one that the running plugin writes
  std::string variable;  // a watched one
  std::string value;     // that was never used before
  // Runs a harmless program with the variable, to its end.
  std::function<Status(const std::string& variable, const std::string& value)>
      start;
  int64_t timeout_ms = 10'000;
};

struct SelfTestResult {
  // The alert was sent, or not sent by configuration: over max_alerts, or
  // within the learning period.
  bool passed = false;
  std::string line;  // the times when it passed, else what did not happen
};

[[nodiscard]] SelfTestResult run_self_test(const SelfTest& test);

// The variable to use: LD_PRELOAD, or a name that the first of `watched`
// (`capture_env_vars`) matches.
[[nodiscard]] std::string self_test_variable(
    std::span<const std::string> watched);

// The action --self-test. An ExitCode.
[[nodiscard]] int self_test(const std::string& config_file);

}  // namespace preload
