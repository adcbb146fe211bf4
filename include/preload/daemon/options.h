// SPDX-License-Identifier: Apache-2.0
// The command line.
#pragma once

#include <span>
#include <string>

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

// The process's exit codes, see EXIT STATUS in the manual.
enum ExitCode : int {
  kExitGood = 0,
  kExitBroken = 1,         // --check or --self-test found something broken
  kExitUsage = 2,          // command line
  kExitConfiguration = 3,  // configuration file
  kExitStart = 4,          // could not start: database, privileges, ...
  kExitFailed = 5,         // a thread failed while running
  kExitStuck = 6,          // a stage made no progress: the watchdog
};

}  // namespace preload
