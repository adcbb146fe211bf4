// SPDX-License-Identifier: Apache-2.0
#include "preload/base/emergency_log.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>

namespace preload {
namespace {

// Written once, before there are threads.
sockaddr_un& syslog_address() {
  static sockaddr_un address{};
  return address;
}

// Text composed without allocation; what does not fit is cut off.
class Line {
 public:
  Line& add(std::string_view text) {
    const size_t n = std::min(text.size(), text_.size() - size_);
    std::copy_n(text.begin(), n, text_.begin() + size_);
    size_ += n;
    return *this;
  }
  Line& add(int64_t number) {
    std::array<char, 24> digits{};
    const char* end =
        std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    return add({digits.data(), static_cast<size_t>(end - digits.data())});
  }
  [[nodiscard]] std::string_view text() const { return {text_.data(), size_}; }

 private:
  std::array<char, 600> text_{};
  size_t size_ = 0;
};

void to_standard_error(std::string_view text) {
  pollfd wait{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&wait, 1, 0) != 1 || (wait.revents & POLLOUT) == 0)
    return;
  Line line;
  line.add("audisp-preload: ").add(text).add("\n");
  [[maybe_unused]] const ssize_t n =
      ::write(STDERR_FILENO, line.text().data(), line.text().size());
}

// A socket of its own: the log's may be in use. Without a time stamp, which
// syslogd then adds.
void to_syslog(std::string_view text) {
  const sockaddr_un& address = syslog_address();
  if (address.sun_family != AF_UNIX)
    return;
  Line line;
  line.add("<").add(LOG_DAEMON | LOG_ERR).add(">audisp-preload[");
  line.add(::getpid()).add("]: ").add(text);
  for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
    const int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
      return;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    const bool connected = ::connect(fd, generic, sizeof address) == 0;
    const int error = connected ? 0 : errno;
    if (connected) [[maybe_unused]]
      const ssize_t n = ::send(fd, line.text().data(), line.text().size(),
                               MSG_NOSIGNAL | MSG_DONTWAIT);
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
