// SPDX-License-Identifier: Apache-2.0
// Scans the text of one audit record, to decide whether its event has to be
// parsed. Allocates nothing and takes about 0.15 us.
//
// auditd writes a record as one line (auditd-event.c, format_raw and
// format_enrich):
//
//   [node=NAME ]type=TYPE msg=audit(SEC.MS:SERIAL): BODY[\x1dINTERPRETED]
//
//   TYPE         a name, or UNKNOWN[number] where libaudit knows none
//   SEC MS       the coarse wall clock at syscall entry; MS has three digits
//   BODY         name=value fields with blanks between, from the kernel
//   INTERPRETED  only in enriched records: NAME=value in upper case, what
//                auditd makes of uids, syscall and arch
//
// and the kernel writes a SYSCALL body in this order (auditsc.c,
// audit_log_exit; audit.c, audit_log_task_info):
//
//   arch=hex syscall=N [per=hex] [success=yes|no exit=N] a0= a1= a2= a3= items=
//   ppid= pid= auid= uid= gid= euid= suid= fsuid= egid= sgid= fsgid= tty= ses=
//   comm=E exe=E [subj=LABEL] key=E
//
// E is what audit_log_untrustedstring makes of bytes that users choose: in
// double quotes when all of them are printable and neither blank nor quote,
// upper-case hexadecimal otherwise, and (null) for none. So E holds no blank
// and cannot be mistaken for a field. LABEL may hold blanks. Hence: a field
// begins after a blank, the first of a name counts, and key is the last field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace preload {

// The types that are used. A record of another type neither begins nor ends an
// event.
enum class RecordType : uint8_t {
  kOther,
  kSyscall,
  kExecve,
  kCwd,
  kProctitle,
  kEoe
};

// Names an audit event as `ausearch -a` and `msg=audit(SEC.MS:SERIAL)` do.
template <class Text>
struct EventId {
  int64_t sec = 0;  // since the epoch; the coarse clock at syscall entry
  uint32_t ms = 0;  // milliseconds, 0 to 999
  uint64_t serial = 0;
  Text node;  // of `node=`, mostly empty

  bool operator==(const EventId&) const = default;
  // Microseconds since the epoch.
  [[nodiscard]] int64_t wall_us() const {
    return sec * 1'000'000 + int64_t{ms} * 1'000;
  }
  [[nodiscard]] EventId<std::string> audit_id() const {
    return {sec, ms, serial, std::string(node)};
  }
};
using AuditId = EventId<std::string>;        // serial 0: no event
using RecordId = EventId<std::string_view>;  // inside the line it is read from

// "1795484879.068:7"; empty for no event.
[[nodiscard]] std::string to_string(const AuditId& id);

// Views point into the scanned line.
struct Record {
  RecordType type = RecordType::kOther;
  RecordId id;
  std::string_view text;  // the line without `node=NAME `
  std::string_view body;  // what follows "): ", INTERPRETED included
};

// Nothing when `line` does not begin as a record does.
[[nodiscard]] std::optional<Record> scan_record(std::string_view line);

// A value of the form E above.
struct EncodedValue {
  std::string_view text;  // without the quotes; empty for (null)
  bool is_hex = false;    // `text` is an even number of hexadecimal digits

  [[nodiscard]] static EncodedValue of(std::string_view value);
  // The exact bytes. bytes() has them in `room` where `text` is not them.
  [[nodiscard]] std::string decoded() const;
  [[nodiscard]] std::string_view bytes(std::string& room) const;
};

struct SyscallRecord {
  RecordId id;            // set by the assembler
  std::string_view exec;  // "execve", "execveat", or empty: another call
  uint32_t arch = 0;      // AUDIT_ARCH_*
  uint32_t syscall = 0;   // with __X32_SYSCALL_BIT for x32
  bool success = false;
  int32_t pid = 0;
  int32_t ppid = 0;
  EncodedValue exe;
  EncodedValue key;  // several: joined with \x01
};

// SyscallRecord::exec, on every architecture that a record may name.
[[nodiscard]] std::string_view exec_name(uint32_t arch, uint32_t syscall);

// Of a SYSCALL body. Nothing when arch, syscall or pid is missing.
[[nodiscard]] std::optional<SyscallRecord> scan_syscall(std::string_view body);

// True when `name` is one of the keys in `key`.
[[nodiscard]] bool has_key(const EncodedValue& key, std::string_view name);

// True when the program at `path` is a dynamic loader: by its name, as glibc,
// musl and others call theirs.
[[nodiscard]] bool is_loader(std::string_view path);

}  // namespace preload
