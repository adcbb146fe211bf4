// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/exec_parser.h"

#include <array>
#include <charconv>
#include <utility>

#include <auparse.h>
#include <libaudit.h>

#include "preload/audit/record_scan.h"
#include "preload/base/text.h"

namespace preload {
namespace {

template <class T>
bool read_number(std::string_view text, T& number, int base = 10) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, base);
  return error == std::errc{} && rest == end;
}

std::string decoded(std::string_view value) {
  return EncodedValue::of(value).decoded();
}

// Calls `use(name, value)` for each field of the current record.
template <class Use>
void for_each_field(auparse_state_t* state, Use use) {
  for (int more = auparse_first_field(state); more > 0;
       more = auparse_next_field(state)) {
    const char* const name = auparse_get_field_name(state);
    const char* const value = auparse_get_field_str(state);
    if (name != nullptr && value != nullptr)
      use(std::string_view(name), std::string_view(value));
  }
}

// A SYSCALL record while its fields are taken.
struct Syscall {
  AuditExec& exec;
  uint32_t arch = 0;
  uint32_t number = 0;
  unsigned seen = 0;  // bit i: kSyscallFields[i]
};

struct SyscallField {
  std::string_view name;
  void (*take)(Syscall&, std::string_view value);
};

template <auto member>
void number(Syscall& syscall, std::string_view value) {
  read_number(value, syscall.exec.*member);
}
template <auto member>
void encoded(Syscall& syscall, std::string_view value) {
  syscall.exec.*member = decoded(value);
}

constexpr std::array<SyscallField, 14> kSyscallFields{{
    {"arch",
     [](Syscall& s, std::string_view v) { read_number(v, s.arch, 16); }},
    {"syscall",
     [](Syscall& s, std::string_view v) { read_number(v, s.number); }},
    {"success",
     [](Syscall& s, std::string_view v) { s.exec.success = v == "yes"; }},
    {"ppid", number<&AuditExec::ppid>},
    {"pid", number<&AuditExec::pid>},
    {"auid", number<&AuditExec::auid>},
    {"uid", number<&AuditExec::uid>},
    {"gid", number<&AuditExec::gid>},
    {"euid", number<&AuditExec::euid>},
    {"egid", number<&AuditExec::egid>},
    {"tty", [](Syscall& s, std::string_view v) { s.exec.tty = v; }},
    {"ses", number<&AuditExec::ses>},
    {"comm", encoded<&AuditExec::comm>},
    {"exe", encoded<&AuditExec::exe>},
}};

// Of each name the first counts, but libauparse gives several keys as several
// fields.
void take_syscall_field(Syscall& syscall, std::string_view name,
                        std::string_view value) {
  if (name == "key") {
    std::string& keys = syscall.exec.key;
    const std::string key = decoded(value);
    keys += keys.empty() || key.empty() ? key : ',' + key;
    return;
  }
  for (size_t i = 0; i < kSyscallFields.size(); ++i) {
    if (name == kSyscallFields[i].name && (syscall.seen & (1U << i)) == 0) {
      syscall.seen |= 1U << i;
      kSyscallFields[i].take(syscall, value);
      return;
    }
  }
}

// A user name of auditd's; empty for one that it did not find.
std::string user_name(std::string_view value, uint32_t id) {
  const std::string name = decoded(value);
  const bool none = (id == UINT32_MAX && name == "unset") ||
                    name.starts_with("unknown(") || name == "?";
  return none ? std::string{} : name;
}

void take_interpretations(std::string_view text, AuditExec& exec) {
  FieldCursor field(text);
  while (field.next()) {
    if (field.name() == "UID" && exec.uid_name.empty())
      exec.uid_name = user_name(field.value(), exec.uid);
    if (field.name() == "AUID" && exec.auid_name.empty())
      exec.auid_name = user_name(field.value(), exec.auid);
  }
}

// The arguments over all EXECVE records of the event.
class Arguments {
 public:
  explicit Arguments(AuditExec& exec) : exec_(exec) {}

  void take(std::string_view name, std::string_view value) {
    if (name == "argc") {
      read_number(value, exec_.argc);
      return;
    }
    if (gap_ || !name.starts_with('a'))
      return;
    name.remove_prefix(1);
    size_t index = 0;
    const char* const end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data(), end, index);
    if (error != std::errc{})
      return;
    name.remove_prefix(static_cast<size_t>(rest - name.data()));
    if (name != "_len")  // the whole length, in units that vary with kernels
      append(index, name, value);
  }

 private:
  // `piece` is empty for a whole argument, or "[N]".
  void append(size_t index, std::string_view piece, std::string_view value) {
    size_t number = 0;
    const bool whole = piece.empty();
    const bool part = piece.size() > 2 && piece.front() == '[' &&
                      piece.back() == ']' &&
                      read_number(piece.substr(1, piece.size() - 2), number);
    const bool begins = index == exec_.argv.size() && number == 0;
    const bool continues = part && number > 0 && number == next_piece_ &&
                           index + 1 == exec_.argv.size();
    if ((!whole && !part) || (!begins && !continues)) {
      gap_ = true;
      return;
    }
    if (begins)
      exec_.argv.emplace_back();
    exec_.argv.back() += decoded(value);
    next_piece_ = part ? number + 1 : 0;
  }

  AuditExec& exec_;
  size_t next_piece_ = 0;  // of the last argument; 0 = it is whole
  bool gap_ = false;
};

}  // namespace

void ExecParser::Destroy::operator()(::opaque* state) const {
  auparse_destroy(state);
}

ExecParser::ExecParser(State state)
    : state_(std::move(state)), syscalls_(ExecSyscalls::from_libaudit()) {}

Result<ExecParser> ExecParser::create() {
  State state(auparse_init(AUSOURCE_BUFFER, ""));
  if (!state)
    return fail("cannot start libauparse");
  return ExecParser(std::move(state));
}

Result<AuditExec> ExecParser::parse(std::string_view records) {
  auparse_state_t* const state = state_.get();
  // An empty buffer would leave the last event in place.
  if (records.empty() ||
      auparse_new_buffer(state, records.data(), records.size()) != 0 ||
      auparse_first_record(state) <= 0)
    return fail("libauparse finds no event");
  AuditExec exec;
  Syscall syscall{exec};
  Arguments arguments(exec);
  bool has_syscall = false;
  bool has_cwd = false;
  do {
    switch (auparse_get_type(state)) {
      case AUDIT_SYSCALL: {
        if (std::exchange(has_syscall, true))
          break;
        for_each_field(
            state, [&](auto n, auto v) { take_syscall_field(syscall, n, v); });
        const char* text = auparse_get_record_interpretations(state);
        take_interpretations(text != nullptr ? text : "", exec);
        break;
      }
      case AUDIT_EXECVE:
        for_each_field(state, [&](auto n, auto v) { arguments.take(n, v); });
        break;
      case AUDIT_CWD:
        for_each_field(state, [&](auto n, auto v) {
          if (n == "cwd" && !std::exchange(has_cwd, true))
            exec.cwd = decoded(v);
        });
        break;
      default:
        break;
    }
  } while (auparse_next_record(state) > 0);
  if (!has_syscall)
    return fail("the event has no SYSCALL record");
  exec.syscall = syscalls_.name_of(syscall.arch, syscall.number);
  return exec;
}

}  // namespace preload
