// SPDX-License-Identifier: Apache-2.0
// A mounted file system that does not answer (tests/programs/stuck_fs.c), and
// programs that make use of it.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "preload/base/fd.h"
#include "support/c_strings.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace preload {

// A child with both ends of its standard input and output here.
class TalkingChild {
 public:
  explicit TalkingChild(const std::vector<std::string>& argv,
                        const std::vector<std::string>& env = {}) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (::pipe2(in.data(), O_CLOEXEC) != 0 ||
        ::pipe2(out.data(), O_CLOEXEC) != 0)
      return;
    const Fd their_input(in[0]);
    const Fd their_output(out[1]);
    input_ = Fd(in[1]);
    output_ = Fd(out[0]);
    const auto words = c_strings(argv);
    const auto variables = c_strings(env);
    pid_ = ::fork();
    if (pid_ != 0)
      return;
    ::setpgid(0, 0);
    ::dup2(their_input.get(), 0);
    ::dup2(their_output.get(), 1);
    ::execve(words[0], words.data(), variables.data());
    ::_exit(127);
  }
  TalkingChild(const TalkingChild&) = delete;
  TalkingChild& operator=(const TalkingChild&) = delete;
  ~TalkingChild() { stop(); }

  // Its children too. Does not wait for one that hangs.
  void stop() {
    const pid_t pid = std::exchange(pid_, 0);
    if (pid <= 0)
      return;
    ::kill(-pid, SIGKILL);
    eventually(5, [&] { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Waits for the next line that it writes.
  [[nodiscard]] bool says_a_line() const {
    pollfd output{output_.get(), POLLIN, 0};
    char byte = 0;
    while (byte != '\n')
      if (::poll(&output, 1, 10'000) != 1 ||
          ::read(output_.get(), &byte, 1) != 1)
        return false;
    return true;
  }
  void poke() const {
    [[maybe_unused]] const ssize_t n = ::write(input_.get(), "x", 1);
  }

 private:
  Fd input_;
  Fd output_;
  pid_t pid_ = 0;
};

class StuckMount {
 public:
  explicit StuckMount(const std::string& program)
      : server_({program, dir_.path()}), there_(server_.says_a_line()) {}
  StuckMount(const StuckMount&) = delete;
  StuckMount& operator=(const StuckMount&) = delete;
  ~StuckMount() {
    server_.stop();  // lets go all who wait
    ::umount2(dir_.path().c_str(), MNT_DETACH);
  }

  // Why there is none here; empty when there is.
  [[nodiscard]] std::string obstacle() const {
    return there_ ? "" : "FUSE cannot be mounted here (no /dev/fuse?)";
  }
  // Waits until the close of file() hangs, once more.
  [[nodiscard]] bool hangs() const { return server_.says_a_line(); }
  // Opens; a read of it and the close of it hang.
  [[nodiscard]] std::string file() const { return dir_ / "page"; }
  // A look-up of it hangs, so that not even SIGKILL helps.
  [[nodiscard]] std::string other() const { return dir_ / "x.so"; }

 private:
  TempDir dir_;
  TalkingChild server_;
  bool there_;
};

}  // namespace preload
