// SPDX-License-Identifier: Apache-2.0
// A real program that runs until the test is done with it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace preload {

class ChildProcess {
 public:
  // `argv[0]` is the program's path, `env` all of its environment. `root`, if
  // given, becomes its root directory (needs root), then `cwd` its working
  // directory. Returns when the program has been exec'ed.
  ChildProcess(const std::vector<std::string>& argv,
               const std::vector<std::string>& env,
               const std::string& cwd = "/", const std::string& root = "");
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  // 0: it could not be started.
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Kills it and waits until it is gone.
  void stop();

 private:
  pid_t pid_ = 0;
};

}  // namespace preload
