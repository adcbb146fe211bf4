// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace preload {

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
