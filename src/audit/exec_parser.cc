// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/exec_parser.h"

#include <algorithm>
#include <array>
#include <optional>

#include <auparse.h>
#include <libaudit.h>

#include "preload/base/text.h"

namespace preload {
namespace {

template <class T>
void read_number(std::string_view text, T& number) {
  number = parse_number<T>(text).value_or(number);
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

template <auto member>
void number(AuditExec& exec, std::string_view value) {
  read_number(value, exec.*member);
}
template <auto member>
void encoded(AuditExec& exec, std::string_view value) {
  exec.*member = decoded(value);
}

struct SyscallField {
  std::string_view name;
  void (*take)(AuditExec&, std::string_view value);
};
constexpr std::array<SyscallField, 11> kSyscallFields{{
    {"ppid", number<&AuditExec::ppid>},
    {"pid", number<&AuditExec::pid>},
    {"auid", number<&AuditExec::auid>},
    {"uid", number<&AuditExec::uid>},
    {"gid", number<&AuditExec::gid>},
    {"euid", number<&AuditExec::euid>},
    {"egid", number<&AuditExec::egid>},
    {"tty", [](AuditExec& exec, std::string_view v) { exec.tty = v; }},
    {"ses", number<&AuditExec::ses>},
    {"comm", encoded<&AuditExec::comm>},
    {"exe", encoded<&AuditExec::exe>},
}};

// Of each name the first counts, but libauparse gives several keys as several
// fields. `seen` has a bit for each of kSyscallFields.
void take_syscall_field(AuditExec& exec, unsigned& seen, std::string_view name,
                        std::string_view value) {
  if (name == "key") {
    const std::string key = decoded(value);
    exec.key += exec.key.empty() || key.empty() ? key : ',' + key;
    return;
  }
  for (size_t i = 0; i < kSyscallFields.size(); ++i) {
    if (name == kSyscallFields[i].name && (seen & (1U << i)) == 0) {
      seen |= 1U << i;
      kSyscallFields[i].take(exec, value);
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
  while (!text.empty()) {
    std::string_view value = next_field(text, ' ');
    const std::string_view name = next_field(value, '=');
    if (name == "UID" && exec.uid_name.empty())
      exec.uid_name = user_name(value, exec.uid);
    if (name == "AUID" && exec.auid_name.empty())
      exec.auid_name = user_name(value, exec.auid);
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
    const size_t digits = std::min(name.find_first_of("[_"), name.size());
    const auto index = parse_number<size_t>(name.substr(0, digits));
    name.remove_prefix(digits);
    if (index && name != "_len")  // the length, in units that vary with kernels
      append(*index, name, value);
  }

 private:
  // `piece` is empty for a whole argument, or "[N]".
  void append(size_t index, std::string_view piece, std::string_view value) {
    const bool whole = piece.empty();
    const auto number =
        piece.starts_with('[') && piece.ends_with(']')
            ? parse_number<size_t>(piece.substr(1, piece.size() - 2))
            : std::nullopt;
    const bool begins =
        index == exec_.argv.size() && (whole || number == size_t{0});
    const bool continues = number && *number > 0 && *number == next_piece_ &&
                           index + 1 == exec_.argv.size();
    gap_ = !begins && !continues;
    if (gap_)
      return;
    if (begins)
      exec_.argv.emplace_back();
    exec_.argv.back() += decoded(value);
    next_piece_ = number ? *number + 1 : 0;
  }

  AuditExec& exec_;
  size_t next_piece_ = 0;  // of the last argument; 0 = it is whole
  bool gap_ = false;
};

}  // namespace

Result<ExecParser> ExecParser::create() {
  State state(auparse_init(AUSOURCE_BUFFER, ""), auparse_destroy);
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
  Arguments arguments(exec);
  unsigned seen = 0;
  bool has_syscall = false;
  bool has_cwd = false;
  do {
    switch (auparse_get_type(state)) {
      case AUDIT_SYSCALL: {
        if (std::exchange(has_syscall, true))
          break;
        for_each_field(state, [&](auto n, auto v) {
          take_syscall_field(exec, seen, n, v);
        });
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
  return exec;
}

}  // namespace preload
