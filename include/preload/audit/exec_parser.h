// SPDX-License-Identifier: Apache-2.0
// Parses the records of one exec event. The only user of libauparse.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "preload/audit/record_scan.h"
#include "preload/base/result.h"

struct opaque;  // auparse_state_t

namespace preload {

// A successful exec. Strings are exact bytes; ids are
// UINT32_MAX where audit says unset.
struct AuditExec {
  AuditId id;
  int32_t pid = 0;
  int32_t ppid = 0;
  std::string syscall;  // "execve" or "execveat"
  uint32_t auid = UINT32_MAX;
  uint32_t uid = UINT32_MAX;
  uint32_t euid = UINT32_MAX;
  uint32_t gid = UINT32_MAX;
  uint32_t egid = UINT32_MAX;
  uint32_t ses = UINT32_MAX;
  std::string tty;  // "pts0", "(none)"
  std::string comm;
  std::string exe;
  std::string key;  // several keys: joined with ','
  std::string cwd;
  std::vector<std::string> argv;
  uint64_t argc = 0;  // as EXECVE says; may exceed argv.size()
  // From enriched records; empty for raw ones.
  std::string uid_name;
  std::string auid_name;
};

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
  using State = std::unique_ptr<::opaque, void (*)(::opaque*)>;
  explicit ExecParser(State state) : state_(std::move(state)) {}

  State state_;
};

}  // namespace preload
