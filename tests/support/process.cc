// SPDX-License-Identifier: Apache-2.0
#include "support/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <thread>

#include "support/c_strings.h"

extern char** environ;

namespace preload {
namespace {

pid_t spawn_to(const std::vector<std::string>& argv,
               const std::vector<std::string>& env, int output) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  if (output >= 0)
    ::posix_spawn_file_actions_adddup2(&actions, output, 1);
  else
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  const auto args = c_strings(argv);
  const auto variables = c_strings(env);
  pid_t pid = -1;
  const int error =
      ::posix_spawnp(&pid, args[0], &actions, nullptr, args.data(),
                     env.empty() ? environ : variables.data());
  ::posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : -1;
}

}  // namespace

pid_t spawn(const std::vector<std::string>& argv,
            const std::vector<std::string>& env) {
  return spawn_to(argv, env, -1);
}

int wait_for(pid_t pid) {
  int status = -1;
  ::waitpid(pid, &status, 0);
  return status;
}

bool has_ended(pid_t pid) {
  const std::string stat = content_of("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = stat.rfind(')');
  return name_end == std::string::npos || stat.compare(name_end, 3, ") Z") == 0;
}

Ran run(const std::vector<std::string>& argv,
        const std::vector<std::string>& env) {
  std::array<int, 2> pipe{};
  Ran ran;
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
    return ran;
  ran.pid = spawn_to(argv, env, pipe[1]);
  ::close(pipe[1]);
  std::array<char, 4096> buffer;
  ssize_t n = 0;
  while ((n = ::read(pipe[0], buffer.data(), buffer.size())) > 0)
    ran.output.append(buffer.data(), static_cast<size_t>(n));
  ::close(pipe[0]);
  if (ran.pid > 0)
    ran.status = wait_for(ran.pid);
  return ran;
}

std::string shell(const std::string& command) {
  std::string output = run({"/bin/sh", "-c", command + " 2>&1"}).output;
  if (output.ends_with('\n'))
    output.pop_back();
  return output;
}

void run_many(int count, int parallel, const std::vector<std::string>& argv,
              const std::function<std::vector<std::string>(int)>& env_of) {
  int running = 0;
  for (int i = 0; i < count; ++i) {
    if (running == parallel && ::wait(nullptr) > 0)
      --running;
    if (spawn(argv, env_of(i)) > 0)
      ++running;
  }
  while (running > 0 && ::wait(nullptr) > 0)
    --running;
}

bool eventually(double seconds, const std::function<bool()>& condition) {
  using std::chrono::steady_clock;
  const auto deadline =
      steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (steady_clock::now() > deadline)
      return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

bool installed(const std::string& program) {
  return run({"/bin/sh", "-c", "command -v \"$0\"", program}).good();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace preload
