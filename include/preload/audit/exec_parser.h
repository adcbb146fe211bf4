// SPDX-License-Identifier: Apache-2.0
// Parses the records of one exec event. The only user of libauparse.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "preload/audit/audit_event.h"
#include "preload/base/result.h"

struct opaque;  // auparse_state_t

namespace preload {

// libauparse splits records into fields. Values are decoded here, because the
// interpretation of libauparse loses bytes and looks users up in NSS, which can
// block for minutes. Names of users come from enriched records only.
//
// One thread, and one such thread in the program: libauparse keeps the
// interpretations of the current record in a global.
class ExecParser {
 public:
  // Reads auditd.conf (libauparse does): call it before privileges are dropped.
  static Result<ExecParser> create();

  // `records` is whole lines, each with its newline and without `node=`, of
  // one event: SYSCALL, EXECVE, CWD. Others are passed over; PROCTITLE and
  // EOE end the event for libauparse. No NUL. The id and the name of the call
  // are left to the caller.
  //
  // The kernel splits a long argument list over EXECVE records, and one long
  // argument into pieces of their own encoding (auditsc.c,
  // audit_log_execve_info):
  //
  //   argc=N a0=E a1=E ... a7_len=N a7[0]=E a7[1]=E ... a8=E
  //
  // argv ends before the first argument, or piece of one, that is missing.
  Result<AuditExec> parse(std::string_view records);

 private:
  struct Destroy {
    void operator()(::opaque* state) const;
  };
  using State = std::unique_ptr<::opaque, Destroy>;
  explicit ExecParser(State state);

  State state_;
};

}  // namespace preload
