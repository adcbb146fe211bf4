// SPDX-License-Identifier: Apache-2.0
// Runs a program and gives what it wrote to standard error.
#pragma once

#include <string>
#include <vector>

namespace preload {

struct ProgramRun {
  int status = -1;  // as waitpid(2) has it; -1: could not be started
  std::string error_output;
};

// `argv[0]` is the program's path, `env` all of its environment. With `root`
// it runs in a mount namespace of its own with that root directory, in which
// the host's /usr, /lib* and /bin are bound (needs root).
ProgramRun run_program(const std::vector<std::string>& argv,
                       const std::vector<std::string>& env,
                       const std::string& root = "");

}  // namespace preload
