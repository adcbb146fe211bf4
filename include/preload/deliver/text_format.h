// SPDX-License-Identifier: Apache-2.0
// An alert as one line of key=value: for people and every collector, and for
// the audit trail.
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

#include "preload/detect/alert.h"

namespace preload {

// At most kSyslogTextBytes of valid, printable UTF-8 without a line end.
[[nodiscard]] std::string text_line(const Alert& alert);

// The message for the audit trail, at most kAuditTextBytes:
//
//   op=preload-term var=NAME file=VALUE path=EXE cmd=ARGV cwd=DIR opid=N ouid=N
//   oauid=N oses=N audit_id=SEC.MS:SERIAL origin=O capture=C alert=N
//
// (no audit_id= when audit reported nothing, no origin= for an ordinary exec)
// and for a summary op=preload-summary info=... alert=N. See AuditText for how
// strings are written. A value that was cut is followed by its length and
// file_sha256. The plugin itself ignores the record: it reads SYSCALL records.
[[nodiscard]] std::string audit_text(const Alert& alert);

}  // namespace preload
