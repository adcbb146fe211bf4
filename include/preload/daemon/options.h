// SPDX-License-Identifier: Apache-2.0
// The command line.
#pragma once

#include <span>
#include <string>

#include "preload/base/exit_code.h"
#include "preload/base/result.h"

namespace preload {

enum class Action { kRun, kCheck, kSelfTest, kVersion, kHelp };

struct Options {
  Action action = Action::kRun;
  std::string config = "/etc/audit/audisp-preload.conf";
};

// `args` is argv; only long options, each at most once. auditd gives at most
// two arguments.
[[nodiscard]] Result<Options> parse_options(std::span<char* const> args);

// What --help prints.
[[nodiscard]] std::string usage();

}  // namespace preload
