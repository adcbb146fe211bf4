// SPDX-License-Identifier: Apache-2.0
// Real programs for tests: started, waited for, read from.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace preload {

struct Ran {
  pid_t pid = -1;
  int status = -1;     // of waitpid(2)
  std::string output;  // standard output, when it was captured
  [[nodiscard]] bool good() const { return status == 0; }
};

// Starts argv[0] (looked up in PATH) with exactly `env`, or with our own
// environment when `env` is empty. The child's output goes to /dev/null.
pid_t spawn(const std::vector<std::string>& argv,
            const std::vector<std::string>& env = {});
int wait_for(pid_t pid);
// True when it runs no more, whoever is to reap it: an init may take seconds.
bool has_ended(pid_t pid);

// Starts and waits; its standard output is captured.
Ran run(const std::vector<std::string>& argv,
        const std::vector<std::string>& env = {});
// A command of the shell, its output trimmed of the last newline.
std::string shell(const std::string& command);

// `count` runs of argv, `parallel` at a time; env_of(i) is the environment of
// the i-th.
void run_many(int count, int parallel, const std::vector<std::string>& argv,
              const std::function<std::vector<std::string>(int)>& env_of);

// True as soon as `condition` holds; false after `seconds`.
bool eventually(double seconds, const std::function<bool()>& condition);

// True when `program` is in PATH.
bool installed(const std::string& program);

std::vector<std::string> lines_of(const std::string& text);

// The whole content of a file; empty when it cannot be read.
std::string content_of(const std::string& path);

}  // namespace preload
