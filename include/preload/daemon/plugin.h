// SPDX-License-Identifier: Apache-2.0
// The whole program but main(): tests build one with other intervals. The
// command line, and the order in which the plugin starts and drops privileges.
#pragma once

#include <span>
#include <string>

#include "preload/base/clock.h"
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

// `args` is argv. Returns an ExitCode.
[[nodiscard]] int plugin_main(std::span<char* const> args,
                              const Timing& timing);

}  // namespace preload
