// SPDX-License-Identifier: Apache-2.0
// A client of the syslog daemon's local socket. syslog(3) hides failures and
// has one identity per process; the relay must know whether an alert was taken.
//
// One datagram (or, on a stream socket, one NUL-terminated record) a message:
//
//   <PRI>Mmm dd hh:mm:ss audisp-preload[pid]: message
//
// PRI is facility | severity in decimal, the time is local and the day padded
// with a blank, as RFC 3164 section 4.1 has it and as glibc writes it. There is
// no host name: the daemon adds it on a local socket. (Rejected: RFC 5424,
// whose structured data rsyslog does not parse on its local socket.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "preload/base/clock.h"
#include "preload/base/fd.h"
#include "preload/base/result.h"

namespace preload {

// A whole message must stay below this: rsyslog takes 8096 bytes by default
// and cuts the rest silently; a relay adds its host name.
inline constexpr size_t kSyslogMessageBytes = 8000;
// More than any header has.
inline constexpr size_t kSyslogHeaderBytes = 64;
// What is left for the text of one message.
inline constexpr size_t kSyslogTextBytes =
    kSyslogMessageBytes - kSyslogHeaderBytes - 1;

// How long a daemon that does not read may hold up the caller.
enum class SyslogWait {
  kBounded,  // two seconds: alerts
  kNever,    // log lines
};

// One thread at a time; independent of any other instance.
class SyslogSocket {
 public:
  // `facility` as <syslog.h> has it. Opens nothing: that is for the first
  // send(), and again after a failure.
  SyslogSocket(std::string path, int facility, const Clock& clock);

  // Sends one message; `severity` as <syslog.h> has it. `text` is one
  // line, safe to print. A daemon that was restarted meanwhile is connected to
  // again at once. EMSGSIZE: this message will never be taken. All other
  // errors (ENOENT, ECONNREFUSED, EAGAIN, ENOBUFS, ...) may pass.
  [[nodiscard]] Status send(int severity, std::string_view text,
                            SyslogWait wait);

 private:
  [[nodiscard]] std::string message(int severity, std::string_view text) const;
  [[nodiscard]] Status connect();
  // 0 or an errno.
  [[nodiscard]] int send_now(std::string_view bytes, SyslogWait wait);

  std::string path_;
  int facility_;
  const Clock& clock_;
  Fd fd_;
  bool stream_ = false;
};

}  // namespace preload
