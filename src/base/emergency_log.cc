// SPDX-License-Identifier: Apache-2.0
#include "preload/base/emergency_log.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace preload {
namespace {

// Written once, before there are threads.
sockaddr_un& syslog_address() {
  static sockaddr_un address{};
  return address;
}

// More than the text and what is put before it. fmt writes into such an array
// without allocation.
using Line = std::array<char, 600>;

void to_standard_error(std::string_view text) {
  pollfd wait{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&wait, 1, 0) != 1 || (wait.revents & POLLOUT) == 0)
    return;
  Line line;
  const size_t size =
      fmt::format_to_n(line.data(), line.size(), "audisp-preload: {}\n", text)
          .size;
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, line.data(), size);
}

// A socket of its own: the log's may be in use. Without a time stamp, which
// syslogd then adds.
void to_syslog(std::string_view text) {
  const sockaddr_un& address = syslog_address();
  if (address.sun_family != AF_UNIX)
    return;
  Line line;
  const size_t size =
      fmt::format_to_n(line.data(), line.size(), "<{}>audisp-preload[{}]: {}",
                       LOG_DAEMON | LOG_ERR, ::getpid(), text)
          .size;
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    const int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
      return;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    const bool connected = ::connect(fd, generic, sizeof address) == 0;
    const int error = connected ? 0 : errno;
    if (connected) [[maybe_unused]]
      const ssize_t n =
          ::send(fd, line.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
    ::close(fd);
    if (error != EPROTOTYPE)
      return;
  }
}

}  // namespace

void set_emergency_log_socket(const std::string& syslog_socket) {
  sockaddr_un& address = syslog_address();
  if (syslog_socket.size() >= sizeof address.sun_path)
    return;
  std::copy(syslog_socket.begin(), syslog_socket.end(), address.sun_path);
  address.sun_family = AF_UNIX;
}

void emergency_log(std::string_view text) noexcept {
  const int kept = errno;
  text = text.substr(0, 500);
  to_standard_error(text);
  to_syslog(text);
  errno = kept;
}

}  // namespace preload
