// SPDX-License-Identifier: Apache-2.0
#include "support/undo_log.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace preload {
namespace {

// Reads until the other end is closed, by the test or by its death.
constexpr const char* kKeeper =
    "trap '' INT TERM HUP\n"
    "undo=\n"
    "while IFS= read -r line; do undo=\"$line\n$undo\"; done\n"
    "eval \"$undo\" >/dev/null 2>&1\n";

}  // namespace

UndoLog::UndoLog() {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("no pipe for the undo log");
  keeper_ = ::fork();
  if (keeper_ == 0) {
    // Out of the reach of what the terminal or a runner sends to the group.
    ::setsid();
    ::dup2(pipe[0], STDIN_FILENO);
    ::execl("/bin/sh", "sh", "-c", kKeeper, nullptr);
    ::_exit(127);
  }
  ::close(pipe[0]);
  write_end_ = pipe[1];
  if (keeper_ < 0)
    throw std::runtime_error("no process for the undo log");
}

UndoLog::~UndoLog() {
  ::close(write_end_);
  ::waitpid(keeper_, nullptr, 0);
}

void UndoLog::add(const std::string& command) const {
  const std::string line = command + "\n";
  if (::write(write_end_, line.data(), line.size()) !=
      static_cast<ssize_t>(line.size()))
    throw std::runtime_error("the undo log's process has gone");
}

}  // namespace preload
