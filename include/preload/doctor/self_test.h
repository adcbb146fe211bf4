// SPDX-License-Identifier: Apache-2.0
// --self-test: proof that an exec becomes a stored, sent alert here and now.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "preload/base/config.h"
#include "preload/base/result.h"
#include "preload/store/history_reader.h"

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
  // Milliseconds after the start of the program; nothing: not observed.
  std::optional<int64_t> stored_ms;
  std::optional<int64_t> sent_ms;  // accepted by every sink
  StoredTerm term;                 // as last seen

  // Sent, or not sent by configuration: over max_alerts, or within the
  // learning period.
  [[nodiscard]] bool passed() const;
};

// The error: the database cannot be read, or the program not started.
[[nodiscard]] Result<SelfTestResult> run_self_test(const SelfTest& test);

// One line: the times when it passed, else which stage did not happen.
[[nodiscard]] std::string result_text(const SelfTest& test,
                                      const SelfTestResult& result);

// The variable to use: LD_PRELOAD, or a name that the first of `watched`
// (`capture_env_vars`) matches.
[[nodiscard]] std::string self_test_variable(
    std::span<const std::string> watched);

// Runs /bin/true with an environment of that variable alone.
[[nodiscard]] Status start_harmless(const std::string& variable,
                                    const std::string& value);

// The action --self-test. An ExitCode.
[[nodiscard]] int self_test(const std::string& config_file);

}  // namespace preload
