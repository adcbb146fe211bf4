// SPDX-License-Identifier: Apache-2.0
#include "support/run_program.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "support/c_strings.h"

namespace preload {
namespace {

constexpr int kCannotStart = 125;

bool enter_root(const std::string& root) {
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return false;
  for (const char* name : {"/usr", "/lib", "/lib32", "/lib64", "/bin"}) {
    const std::string target = root + name;
    if (::access(name, F_OK) != 0)
      continue;
    ::mkdir(target.c_str(), 0755);
    if (::mount(name, target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
      return false;
  }
  return ::chroot(root.c_str()) == 0 && ::chdir("/") == 0;
}

}  // namespace

ProgramRun run_program(const std::vector<std::string>& argv,
                       const std::vector<std::string>& env,
                       const std::string& root) {
  ProgramRun run;
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
    return run;
  const std::vector<char*> argv_pointers = c_strings(argv);
  const std::vector<char*> env_pointers = c_strings(env);
  const pid_t child = ::fork();
  if (child == 0) {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(null, STDOUT_FILENO);
    if (!root.empty() && !enter_root(root))
      ::_exit(kCannotStart);
    ::dup2(pipe[1], STDERR_FILENO);
    ::execve(argv_pointers[0], argv_pointers.data(), env_pointers.data());
    ::_exit(kCannotStart);
  }
  ::close(pipe[1]);
  std::array<char, 4096> buffer{};
  ssize_t n = 0;
  while ((n = ::read(pipe[0], buffer.data(), buffer.size())) > 0)
    run.error_output.append(buffer.data(), static_cast<size_t>(n));
  ::close(pipe[0]);
  if (child < 0 || ::waitpid(child, &run.status, 0) != child ||
      (WIFEXITED(run.status) && WEXITSTATUS(run.status) == kCannotStart))
    run.status = -1;
  return run;
}

}  // namespace preload
