// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/syslog_socket.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace preload {
namespace {

constexpr timeval kSendTimeout{2, 0};

// The daemon went away; perhaps a new one listens already.
bool daemon_gone(int error) {
  return error == ECONNREFUSED || error == ECONNRESET || error == EPIPE ||
         error == ENOTCONN;
}

const char* remedy(int error) {
  switch (error) {
    case ENOENT:
    case ECONNREFUSED:
      return " (is a syslog daemon running?)";
    case EAGAIN:
    case ENOBUFS:
      return " (the syslog daemon does not read)";
    default:
      return "";
  }
}

}  // namespace

SyslogSocket::SyslogSocket(std::string path, int facility, const Clock& clock)
    : path_(std::move(path)), facility_(facility), clock_(clock) {}

std::string SyslogSocket::message(int severity, std::string_view text) const {
  const auto now = static_cast<time_t>(clock_.wall_us() / kMicrosPerSecond);
  tm local{};
  if (::localtime_r(&now, &local) == nullptr)
    local = {};
  std::array<char, 32> date{};  // in English: the program sets no locale
  [[maybe_unused]] const size_t length =
      std::strftime(date.data(), date.size(), "%b %e %T", &local);
  return fmt::format("<{}>{} audisp-preload[{}]: {}", facility_ | severity,
                     date.data(), ::getpid(), text);
}

Status SyslogSocket::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path)
    return fail("the path of the syslog socket is too long: " + path_,
                ENAMETOOLONG);
  std::memcpy(address.sun_path, path_.data(), path_.size());
  int error = EPROTOTYPE;
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!fd)
      return fail("cannot make a socket for syslog", errno);
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendTimeout,
                     sizeof kSendTimeout) != 0)
      return fail("cannot set a time limit on the syslog socket", errno);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(fd.get(), generic, sizeof address) == 0) {
      fd_ = std::move(fd);
      stream_ = type == SOCK_STREAM;
      return {};
    }
    error = errno;
    if (error != EPROTOTYPE)
      break;
  }
  return fail(fmt::format("cannot connect to {}{}", path_, remedy(error)),
              error);
}

int SyslogSocket::send_now(std::string_view bytes, SyslogWait wait) {
  const int flags =
      MSG_NOSIGNAL | (wait == SyslogWait::kNever ? MSG_DONTWAIT : 0);
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), flags);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

Status SyslogSocket::send(int severity, std::string_view text,
                          SyslogWait wait) {
  std::string bytes = message(severity, text);
  const bool had_connection = static_cast<bool>(fd_);
  for (bool retried = !had_connection;; retried = true) {
    if (!fd_) {
      if (Status connected = connect(); !connected)
        return connected;
    }
    if (stream_ && bytes.back() != '\0')
      bytes += '\0';
    const int error = send_now(bytes, wait);
    if (error == 0)
      return {};
    // A datagram was refused whole; a stream may have taken a part, which
    // only a new connection ends.
    if (error != EMSGSIZE)
      fd_.reset();
    if (retried || !daemon_gone(error))
      return fail(fmt::format("cannot send to {}{}", path_, remedy(error)),
                  error);
  }
}

}  // namespace preload
