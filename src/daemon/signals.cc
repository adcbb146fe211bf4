// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/signals.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "preload/base/log.h"

namespace preload {

Result<Fd> block_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  ::sigemptyset(&set);
  for (int signal : {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGCONT})
    ::sigaddset(&set, signal);
  if (const int error = ::pthread_sigmask(SIG_SETMASK, &set, nullptr);
      error != 0)
    return fail("cannot block signals", error);
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd)
    return fail("cannot create a signalfd", errno);
  return fd;
}

SignalMeaning next_signal(const Fd& fd, pid_t parent) {
  signalfd_siginfo info{};
  if (::read(fd.get(), &info, sizeof info) != sizeof info)
    return SignalMeaning::kNone;
  switch (info.ssi_signo) {
    case SIGHUP:
      return SignalMeaning::kReload;
    case SIGUSR1:
    case SIGCONT:
      return SignalMeaning::kReport;
    case SIGINT:
      return SignalMeaning::kStop;  // from a terminal
    case SIGTERM:
      if (info.ssi_pid == static_cast<uint32_t>(parent))
        return SignalMeaning::kStop;
      log_warning(fmt::format(
          "ignoring SIGTERM from pid {}: stop auditd, which stops this plugin, "
          "or set active = no in plugins.d/preload.conf and reload auditd",
          info.ssi_pid));
      return SignalMeaning::kNone;
    default:
      return SignalMeaning::kNone;
  }
}

}  // namespace preload
