// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/record_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <unordered_map>

#include <libaudit.h>

#include "preload/base/text.h"

namespace preload {
namespace {

constexpr char kInterpretedSeparator = '\x1d';
constexpr char kKeySeparator = '\x01';

// Takes a literal off the front of `text`; false when it does not begin so.
// (By its size, so that the comparison is one or two instructions.)
template <size_t size>
bool take(std::string_view& text, const char (&prefix)[size]) {
  constexpr size_t kLength = size - 1;
  if (text.size() < kLength || std::memcmp(text.data(), prefix, kLength) != 0)
    return false;
  text.remove_prefix(kLength);
  return true;
}

template <class T>
bool take_number(std::string_view& text, T& number, int base = 10) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, base);
  text.remove_prefix(static_cast<size_t>(rest - text.data()));
  return error == std::errc{};
}

// All of `text` is the number.
template <class T>
bool read_number(std::string_view text, T& number, int base = 10) {
  return take_number(text, number, base) && text.empty();
}

struct TypeName {
  std::string_view name, number;  // the number as in linux/audit.h
  RecordType type;
};
constexpr std::array<TypeName, 5> kTypeNames{
    {{"SYSCALL", "UNKNOWN[1300]", RecordType::kSyscall},
     {"EXECVE", "UNKNOWN[1309]", RecordType::kExecve},
     {"CWD", "UNKNOWN[1307]", RecordType::kCwd},
     {"PROCTITLE", "UNKNOWN[1327]", RecordType::kProctitle},
     {"EOE", "UNKNOWN[1320]", RecordType::kEoe}}};

RecordType type_of(std::string_view name) {
  for (const TypeName& known : kTypeNames) {
    if (name == known.name || name == known.number)
      return known.type;
  }
  return RecordType::kOther;
}

// The value of the last `key` field; empty when there is none.
std::string_view last_key(std::string_view text) {
  for (std::string_view before = text; !before.empty();) {
    const size_t blank = before.rfind(' ');
    if (blank == std::string_view::npos)
      break;
    std::string_view word = text.substr(blank);
    if (take(word, " key="))
      return next_field(word, ' ');
    before = before.substr(0, blank);
  }
  return {};
}

// Fields of a SYSCALL record that were seen.
enum : unsigned {
  kArch = 1,
  kSyscall = 2,
  kSuccess = 4,
  kPid = 8,
  kPpid = 16,
  kExe = 32,
  kNeeded = kArch | kSyscall | kPid
};

// Takes one word of a SYSCALL body, the first of a name only. False when it
// should be a number and is none. (By first letters: most words are of no
// interest.)
bool take_field(std::string_view word, SyscallRecord& record, unsigned& seen) {
  const auto first = [&seen](unsigned field) {
    const bool is_first = (seen & field) == 0;
    seen |= field;
    return is_first;
  };
  switch (word.empty() ? '\0' : word.front()) {
    case 'a':
      if (take(word, "arch=") && first(kArch))
        return read_number(word, record.arch, 16);
      break;
    case 's':
      if (take(word, "syscall=") && first(kSyscall)) {
        int32_t number = 0;  // as the kernel prints it: may be -1
        const bool valid = read_number(word, number);
        record.syscall = static_cast<uint32_t>(number);
        return valid;
      }
      if (take(word, "success=") && first(kSuccess))
        record.success = word == "yes";
      break;
    case 'p':
      if (take(word, "pid=") && first(kPid))
        return read_number(word, record.pid) && record.pid > 0;
      if (take(word, "ppid=") && first(kPpid))
        return read_number(word, record.ppid);
      break;
    case 'e':
      if (take(word, "exe=") && first(kExe))
        record.exe = EncodedValue::of(word);
      break;
    default:
      break;
  }
  return true;
}

using CallNames = std::unordered_map<uint64_t, std::string_view>;

uint64_t call_key(uint32_t arch, uint32_t syscall) {
  return uint64_t{arch} << 32 | syscall;
}

// From libaudit; and what it has no tables for: x32, whose calls carry
// AUDIT_ARCH_X86_64 and bit 30, and riscv64 and loongarch64, younger than
// 3.0.9.
CallNames exec_calls() {
  constexpr uint32_t kX32 = 0x40000000;
  CallNames names{{call_key(AUDIT_ARCH_X86_64, kX32 | 520), "execve"},
                  {call_key(AUDIT_ARCH_X86_64, kX32 | 545), "execveat"}};
  for (const uint32_t arch : {0xc00000f3U, 0xc0000102U}) {
    names.emplace(call_key(arch, 221), "execve");
    names.emplace(call_key(arch, 281), "execveat");
  }
  // libaudit numbers its machines from 0 and has a few dozen at most; it
  // answers 0 and -1 for those it was built without.
  for (int machine = 0; machine < 64; ++machine) {
    const unsigned int arch = audit_machine_to_elf(machine);
    for (const char* name : {"execve", "execveat"}) {
      const int syscall = audit_name_to_syscall(name, machine);
      if (arch != 0 && syscall >= 0)
        names.emplace(call_key(arch, static_cast<uint32_t>(syscall)), name);
    }
  }
  return names;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return -1;
}

bool is_hex(std::string_view text) {
  return !text.empty() && text.size() % 2 == 0 &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return hex_digit(c) >= 0; });
}

}  // namespace

std::string to_string(const AuditId& id) {
  if (id.serial == 0)
    return {};
  return fmt::format("{}.{:03}:{}", id.sec, id.ms, id.serial);
}

std::optional<Record> scan_record(std::string_view line) {
  Record record;
  if (take(line, "node="))
    record.id.node = next_field(line, ' ');
  record.text = line;
  if (!take(line, "type="))
    return std::nullopt;
  record.type = type_of(next_field(line, ' '));
  RecordId& id = record.id;
  const bool valid = take(line, "msg=audit(") && take_number(line, id.sec) &&
                     take(line, ".") && take_number(line, id.ms) &&
                     take(line, ":") && take_number(line, id.serial) &&
                     take(line, "):");
  if (!valid || id.sec < 0 || id.ms > 999 || id.serial == 0)
    return std::nullopt;
  // auditd trims the blank when nothing follows, as in EOE.
  take(line, " ");
  record.body = line;
  return record;
}

EncodedValue EncodedValue::of(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    return {value.substr(1, value.size() - 2), false};
  if (value == "(null)")
    return {};
  return {value, preload::is_hex(value)};
}

std::string EncodedValue::decoded() const {
  if (!is_hex)
    return std::string(text);
  std::string bytes(text.size() / 2, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(hex_digit(text[2 * i]) * 16 +
                                 hex_digit(text[2 * i + 1]));
  }
  return bytes;
}

std::string_view EncodedValue::bytes(std::string& room) const {
  if (!is_hex)
    return text;
  room = decoded();
  return room;
}

std::optional<SyscallRecord> scan_syscall(std::string_view body) {
  body = body.substr(0, body.find(kInterpretedSeparator));
  SyscallRecord record;
  unsigned seen = 0;
  for (std::string_view rest = body; !rest.empty() && (seen & kExe) == 0;) {
    if (!take_field(next_field(rest, ' '), record, seen))
      return std::nullopt;
  }
  if ((seen & kNeeded) != kNeeded)
    return std::nullopt;
  record.exec = exec_name(record.arch, record.syscall);
  record.key = EncodedValue::of(last_key(body));
  return record;
}

std::string_view exec_name(uint32_t arch, uint32_t syscall) {
  static const CallNames kNames = exec_calls();
  const auto found = kNames.find(call_key(arch, syscall));
  return found != kNames.end() ? found->second : std::string_view();
}

bool has_key(const EncodedValue& key, std::string_view name) {
  if (!key.is_hex)
    return key.text == name;
  const std::string keys = key.decoded();
  for (std::string_view rest = keys; !rest.empty();)
    if (next_field(rest, kKeySeparator) == name)
      return true;
  return false;
}

bool is_loader(std::string_view path) {
  const std::string_view name = basename_of(path);
  if (!name.starts_with('l'))
    return false;
  // musl's loader is its libc, under either name.
  if (name.starts_with("ld-musl-") || name == "libc.so" ||
      name.starts_with("libc.musl-"))
    return true;
  // ld.so, ld.so.1, ld64.so.2, ld-linux-x86-64.so.2, ld-2.31.so, ld-uClibc.so.0
  const bool ld = name.starts_with("ld.so") || name.starts_with("ld64.so") ||
                  name.starts_with("ld-");
  const size_t so = name.find(".so");
  return ld && so != std::string_view::npos &&
         (so + 3 == name.size() || name[so + 3] == '.' || name[so + 3] == ' ');
}

}  // namespace preload
