// SPDX-License-Identifier: Apache-2.0
// An alert as one line of key=value, for people and for every collector.
//
//   new preload term: NAME="value" exe="..." args="..." pid=N ppid=N
//   parent="..." uid=N user="..." auid=N ses=N tty=T cwd="..." severity=S
//   risk_score=N technique=T1574.006 audit=SEC.MS:SERIAL capture=C alert=N
//
// (one line, one blank between fields), and after it, where there is something
// to say: origin= secure=yes static=yes args_truncated=yes container= lib= and
// lib_*= of the first library, libs= when there are more, introduced_by=,
// introducer_pid=, stored=no. An id that is not set is "unset"; a terminal that
// is not there "none"; audit= is left out when audit reported nothing.
//
// What comes from outside is in double quotes and escaped (base/text.h), so
// that no environment can forge a field or a line: inside quotes every quote
// has a backslash before it, and outside there is only what we write. NAME is
// bare when it is [A-Za-z0-9_.]+ and not one of the keys above, else in quotes.
//
// A string that is too long is cut, and the next field says how many bytes it
// has: exe="/very/lo" exe_bytes=4000. The value gives way first; it has
// value_bytes= and value_sha256= (of the exact bytes) right after it.
#pragma once

#include <string>

#include "preload/deliver/syslog_socket.h"
#include "preload/detect/alert.h"

namespace preload {

// At most `limit` bytes (no less than 6000) of valid, printable UTF-8 without
// a line end.
[[nodiscard]] std::string text_line(const Alert& alert,
                                    size_t limit = kSyslogTextBytes);

}  // namespace preload
