// SPDX-License-Identifier: Apache-2.0
#include "preload/procfs/proc_files.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>

#include "preload/base/clock.h"
#include "preload/base/text.h"

namespace preload {
namespace {

// The real and the effective id of a line such as "\nUid:\t0\t0\t0\t0".
void parse_id_line(std::string_view status, std::string_view label,
                   uint32_t& real, uint32_t& effective) {
  const size_t at = status.find(label);
  if (at == std::string_view::npos)
    return;
  std::string_view line = status.substr(at + label.size());
  real = parse_id(next_field(line, '\t'));
  effective = parse_id(next_field(line, '\t'));
}

// Pairs of (type, value) in words of the program's own size.
template <class Word>
Auxv parse_pairs(std::string_view auxv) {
  Auxv result;
  for (; auxv.size() >= 2 * sizeof(Word);
       auxv.remove_prefix(2 * sizeof(Word))) {
    Word type{};
    Word value{};
    std::memcpy(&type, auxv.data(), sizeof type);
    std::memcpy(&value, auxv.data() + sizeof type, sizeof value);
    if (type == AT_SECURE)
      result.secure = value != 0;
    if (type == AT_BASE)
      result.no_interpreter = value == 0;
    if (type == AT_NULL)
      break;
  }
  return result;
}

}  // namespace

ProcPath::ProcPath(int32_t pid, std::string_view name) {
  constexpr size_t kDigits = 16;
  char* end = std::to_chars(path_.data(), path_.data() + kDigits, pid).ptr;
  end = std::copy(name.begin(), name.end(), end);
  *end = '\0';
}

Fd open_file(int dir, const char* path) {
  return Fd(::openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
}

std::string_view read_file(int dir, const char* path, std::span<char> room) {
  const Fd file = open_file(dir, path);
  size_t size = 0;
  while (file && size < room.size()) {
    const auto rest = room.subspan(size);
    const ssize_t n = ::read(file.get(), rest.data(), rest.size());
    if (n <= 0)
      break;
    size += static_cast<size_t>(n);
    // These files give all that there is room for.
    if (static_cast<size_t>(n) < rest.size())
      break;
  }
  return {room.data(), size};
}

std::string_view read_link(int dir, const char* path, std::span<char> room) {
  const ssize_t n = ::readlinkat(dir, path, room.data(), room.size());
  return {room.data(), n > 0 ? static_cast<size_t>(n) : 0};
}

uint64_t ticks_per_second() {
  return static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
}

uint64_t now_ticks(uint64_t seconds_ago) {
  timespec boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  const auto seconds = static_cast<uint64_t>(boot.tv_sec);
  return (seconds - std::min(seconds, seconds_ago)) * ticks_per_second() +
         static_cast<uint64_t>(boot.tv_nsec) * ticks_per_second() /
             kNanosPerSecond;
}

// Only comm, field 2, can hold blanks and parentheses: what follows its last
// ')' is safe to split.
ProcessStat parse_stat(std::string_view stat) {
  ProcessStat result;
  const size_t comm_end = stat.rfind(')');
  if (comm_end == std::string_view::npos)
    return result;
  stat.remove_prefix(std::min(comm_end + 2, stat.size()));
  uint64_t vsize = 0;
  std::optional<uint64_t> env_start;
  for (int field = 3; field <= 51 && !stat.empty(); ++field) {
    const std::string_view text = next_field(stat, ' ');
    const auto number = parse_number<uint64_t>(text);
    switch (field) {
      case 4:
        result.ppid = parse_number<int32_t>(text).value_or(0);
        break;
      case 7:
        result.tty_nr = parse_number<int32_t>(text).value_or(0);
        break;
      case 22:
        result.valid = number.has_value();
        result.start_ticks = number.value_or(0);
        break;
      case 23:
        vsize = number.value_or(0);
        break;
      case 50:
        env_start = number;
        break;
      case 51:
        if (number && env_start && vsize != 0 && *number >= *env_start)
          result.environ_bytes = static_cast<size_t>(*number - *env_start);
        break;
      default:
        break;
    }
  }
  return result;
}

ProcessIds parse_status_ids(std::string_view status) {
  ProcessIds ids;
  parse_id_line(status, "\nUid:\t", ids.uid, ids.euid);
  parse_id_line(status, "\nGid:\t", ids.gid, ids.egid);
  return ids;
}

uint32_t parse_id(std::string_view text) {
  return parse_number<uint32_t>(next_field(text, '\n')).value_or(kUnsetId);
}

// The type of the first pair is a small number, so a wrong size shows.
Auxv parse_auxv(std::string_view auxv) {
  constexpr uint64_t kSmall = 1024;
  uint64_t first = 0;
  if (auxv.size() >= sizeof first)
    std::memcpy(&first, auxv.data(), sizeof first);
  return auxv.size() >= sizeof first && first < kSmall
             ? parse_pairs<uint64_t>(auxv)
             : parse_pairs<uint32_t>(auxv);
}

// start-end perms offset major:minor inode      path
std::optional<Mapping> next_mapping(std::string_view& maps) {
  while (!maps.empty()) {
    std::string_view line = next_field(maps, '\n');
    for (int skipped = 0; skipped < 3; ++skipped)
      (void)next_field(line, ' ');
    Mapping mapping;
    constexpr int kHex = 16;
    mapping.device_major =
        parse_number<uint32_t>(next_field(line, ':'), kHex).value_or(0);
    mapping.device_minor =
        parse_number<uint32_t>(next_field(line, ' '), kHex).value_or(0);
    mapping.inode = parse_number<uint64_t>(next_field(line, ' ')).value_or(0);
    if (mapping.inode == 0)
      continue;
    mapping.path =
        line.substr(std::min(line.find_first_not_of(' '), line.size()));
    return mapping;
  }
  return std::nullopt;
}

std::string_view parse_cgroup(std::string_view cgroup) {
  while (cgroup.ends_with('\n'))
    cgroup.remove_suffix(1);
  cgroup = cgroup.substr(cgroup.rfind('\n') + 1);
  return cgroup.substr(std::min(cgroup.find('/'), cgroup.size()));
}

std::string_view next_string(std::string_view& block) {
  return next_field(block, '\0');
}

}  // namespace preload
