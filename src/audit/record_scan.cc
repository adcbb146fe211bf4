// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/record_scan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "preload/base/text.h"

namespace preload {
namespace {

constexpr char kInterpretedSeparator = '\x1d';
constexpr char kKeySeparator = '\x01';

// Takes `prefix` off the front of `text`; false when it does not begin so.
bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix))
    return false;
  text.remove_prefix(prefix.size());
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

RecordType type_of(std::string_view name) {
  struct Known {
    std::string_view name, number;
    RecordType type;
  };
  // Numbers as in linux/audit.h.
  static constexpr std::array<Known, 5> kKnown{
      {{"SYSCALL", "UNKNOWN[1300]", RecordType::kSyscall},
       {"EXECVE", "UNKNOWN[1309]", RecordType::kExecve},
       {"CWD", "UNKNOWN[1307]", RecordType::kCwd},
       {"PROCTITLE", "UNKNOWN[1327]", RecordType::kProctitle},
       {"EOE", "UNKNOWN[1320]", RecordType::kEoe}}};
  for (const Known& known : kKnown) {
    if (name == known.name || name == known.number)
      return known.type;
  }
  return RecordType::kOther;
}

std::string_view word_of(std::string_view text) {
  return text.substr(0, text.find(' '));
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

std::optional<Record> scan_record(std::string_view line) {
  Record record;
  if (take(line, "node=")) {
    const size_t blank = line.find(' ');
    if (blank == std::string_view::npos)
      return std::nullopt;
    record.id.node = line.substr(0, blank);
    line.remove_prefix(blank + 1);
  }
  record.text = line;
  if (!take(line, "type="))
    return std::nullopt;
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos)
    return std::nullopt;
  record.type = type_of(line.substr(0, blank));
  line.remove_prefix(blank + 1);
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

bool FieldCursor::next() {
  while (!rest_.empty()) {
    const size_t blank = std::min(rest_.find(' '), rest_.size());
    const std::string_view word = rest_.substr(0, blank);
    rest_.remove_prefix(std::min(blank + 1, rest_.size()));
    const size_t equals = word.find('=');
    if (equals != std::string_view::npos) {
      name_ = word.substr(0, equals);
      value_ = word.substr(equals + 1);
      return true;
    }
  }
  return false;
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

std::string_view kernel_part(std::string_view text) {
  return text.substr(0, text.find(kInterpretedSeparator));
}

std::string_view interpreted_part(std::string_view text) {
  const size_t separator = text.find(kInterpretedSeparator);
  return separator == std::string_view::npos ? std::string_view{}
                                             : text.substr(separator + 1);
}

std::optional<SyscallRecord> scan_syscall(std::string_view body) {
  body = kernel_part(body);
  SyscallRecord record;
  enum : unsigned {
    kArch = 1,
    kSyscall = 2,
    kSuccess = 4,
    kPid = 8,
    kPpid = 16
  };
  unsigned seen = 0;
  const auto first = [&seen](unsigned field) {
    const bool is_first = (seen & field) == 0;
    seen |= field;
    return is_first;
  };
  FieldCursor field(body);
  while (field.next()) {
    const std::string_view name = field.name();
    bool valid = true;
    if (name == "arch" && first(kArch)) {
      valid = read_number(field.value(), record.arch, 16);
    } else if (name == "syscall" && first(kSyscall)) {
      int32_t number = 0;  // as the kernel prints it: may be -1
      valid = read_number(field.value(), number);
      record.syscall = static_cast<uint32_t>(number);
    } else if (name == "success" && first(kSuccess)) {
      record.success = field.value() == "yes";
    } else if (name == "pid" && first(kPid)) {
      valid = read_number(field.value(), record.pid) && record.pid > 0;
    } else if (name == "ppid" && first(kPpid)) {
      valid = read_number(field.value(), record.ppid);
    } else if (name == "exe") {
      record.exe = EncodedValue::of(field.value());
      break;  // what follows is not trusted
    }
    if (!valid)
      return std::nullopt;
  }
  if ((seen & (kArch | kSyscall | kPid)) != (kArch | kSyscall | kPid))
    return std::nullopt;
  constexpr std::string_view kKey = " key=";
  if (const size_t at = body.rfind(kKey); at != std::string_view::npos)
    record.key = EncodedValue::of(word_of(body.substr(at + kKey.size())));
  return record;
}

bool has_key(const EncodedValue& key, std::string_view name) {
  if (!key.is_hex)
    return key.text == name;
  const std::string keys = key.decoded();
  for (std::string_view rest = keys; !rest.empty();) {
    const size_t end = std::min(rest.find(kKeySeparator), rest.size());
    if (rest.substr(0, end) == name)
      return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
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
