// SPDX-License-Identifier: Apache-2.0
// The receiving end of a syslog socket, for tests.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <string>

#include "preload/base/fd.h"

namespace preload {

class SyslogDaemon {
 public:
  // `type` is SOCK_DGRAM or SOCK_STREAM. Takes the place of one before.
  SyslogDaemon(const std::string& path, int type)
      : fd_(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)),
        stream_(type == SOCK_STREAM) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    ::unlink(path.c_str());
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (::bind(fd_.get(), generic, sizeof address) != 0 ||
        (stream_ && ::listen(fd_.get(), 1) != 0))
      throw std::runtime_error("cannot listen on " + path);
  }

  // One datagram, or what a stream has; waits for it.
  std::string receive() {
    if (stream_ && !connection_)
      connection_ = Fd(::accept(fd_.get(), nullptr, nullptr));
    std::string bytes(65'536, '\0');
    const ssize_t n = ::recv((stream_ ? connection_ : fd_).get(), bytes.data(),
                             bytes.size(), 0);
    bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return bytes;
  }

  // Ends a receive() of another thread.
  void shut_down() { ::shutdown(fd_.get(), SHUT_RDWR); }
  void stop() {
    connection_.reset();
    fd_.reset();
  }

 private:
  Fd fd_;
  Fd connection_;
  bool stream_;
};

}  // namespace preload
