// SPDX-License-Identifier: Apache-2.0
#include "support/child_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>

#include "support/c_strings.h"

namespace preload {

ChildProcess::ChildProcess(const std::vector<std::string>& argv,
                           const std::vector<std::string>& env,
                           const std::string& cwd, const std::string& root) {
  // Closed by a successful exec; a byte comes when it fails.
  std::array<int, 2> failed{};
  if (::pipe2(failed.data(), O_CLOEXEC) != 0)
    return;
  const std::vector<char*> argv_pointers = c_strings(argv);
  const std::vector<char*> env_pointers = c_strings(env);
  pid_ = ::fork();
  if (pid_ == 0) {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(null, STDERR_FILENO);
    if ((root.empty() || ::chroot(root.c_str()) == 0) &&
        ::chdir(cwd.c_str()) == 0)
      ::execve(argv_pointers[0], argv_pointers.data(), env_pointers.data());
    const char byte = 0;
    ::_exit(::write(failed[1], &byte, 1) == 1 ? 1 : 2);
  }
  ::close(failed[1]);
  char byte = 0;
  const bool started = pid_ > 0 && ::read(failed[0], &byte, 1) == 0;
  ::close(failed[0]);
  if (!started)
    stop();
}

ChildProcess::~ChildProcess() {
  stop();
}

void ChildProcess::stop() {
  const pid_t pid = std::exchange(pid_, 0);
  if (pid <= 0)
    return;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

}  // namespace preload
