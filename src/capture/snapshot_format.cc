// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/snapshot_format.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "preload/base/text.h"

namespace preload {
namespace {

template <class T>
T load(const std::byte* from) {
  T value{};
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
void store(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

std::string_view text_of(std::span<const std::byte> bytes) {
  // char may alias anything; the bytes came from /proc as text.
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Field `number` (from 1) of a stat line. Only comm, field 2, can hold blanks
// and parentheses: what follows its last ')' is safe to split.
std::string_view stat_field(std::string_view stat, int number) {
  const size_t comm_end = stat.rfind(')');
  if (comm_end == std::string_view::npos)
    return {};
  stat.remove_prefix(std::min(comm_end + 2, stat.size()));
  for (int i = 3; i < number; ++i) {
    const size_t blank = stat.find(' ');
    if (blank == std::string_view::npos)
      return {};
    stat.remove_prefix(blank + 1);
  }
  return stat.substr(0, stat.find_first_of(" \n"));
}

uint32_t id_of(std::string_view text) {
  const auto id = parse_unsigned(trimmed(text.substr(0, text.find('\n'))));
  return id ? static_cast<uint32_t>(*id) : kUnsetId;
}

// The real and effective id of a "Uid:" or "Gid:" line of status.
void status_ids(std::string_view status, std::string_view label, uint32_t& real,
                uint32_t& effective) {
  const size_t at = status.find(label);
  if (at == std::string_view::npos)
    return;
  std::string_view line = status.substr(at + label.size());
  line = line.substr(0, line.find('\n'));
  const auto ids = split(trimmed(line), '\t');
  if (ids.size() < 2)
    return;
  real = id_of(ids[0]);
  effective = id_of(ids[1]);
}

// Pairs of (type, value) in words of the program's own size. The type of the
// first pair is a small number, so a wrong size shows.
template <class Word>
void decode_auxv(std::span<const std::byte> auxv, ExecSnapshot& snapshot) {
  for (; auxv.size() >= 2 * sizeof(Word);
       auxv = auxv.subspan(2 * sizeof(Word))) {
    const auto type = load<Word>(auxv.data());
    const auto value = load<Word>(auxv.data() + sizeof(Word));
    if (type == AT_SECURE)
      snapshot.secure = value != 0;
    if (type == AT_BASE)
      snapshot.no_interpreter = value == 0;
    if (type == AT_NULL)
      return;
  }
}

std::vector<std::string> split_argv(std::string_view bytes) {
  std::vector<std::string> argv;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\0');
    argv.emplace_back(bytes.substr(0, end));
    if (end == std::string_view::npos)
      break;
    bytes.remove_prefix(end + 1);
  }
  return argv;
}

// "0::/user.slice/..." of cgroup v2, or the last hierarchy of v1.
std::string_view cgroup_path(std::string_view text) {
  while (text.ends_with('\n'))
    text.remove_suffix(1);
  text = text.substr(text.rfind('\n') + 1);
  const size_t slash = text.find('/');
  return slash == std::string_view::npos ? std::string_view()
                                         : text.substr(slash);
}

void decode_section(Section what, std::span<const std::byte> bytes,
                    ExecSnapshot& snapshot) {
  const std::string_view text = text_of(bytes);
  switch (what) {
    case Section::kEnv: {
      const size_t equals = text.find('=');
      if (equals != std::string_view::npos)
        snapshot.env.push_back({std::string(text.substr(0, equals)),
                                std::string(text.substr(equals + 1))});
      break;
    }
    case Section::kExe:
      snapshot.executable = text;
      break;
    case Section::kCwd:
      snapshot.cwd = text;
      break;
    case Section::kStat: {
      snapshot.ppid = ppid_of_stat(text);
      snapshot.start_ticks = start_ticks_of_stat(text);
      // Printed as a signed number.
      const std::string_view tty = stat_field(text, 7);
      const auto device = parse_unsigned(tty.substr(tty.starts_with('-')));
      if (device)
        snapshot.tty_nr = static_cast<int32_t>(
            tty.starts_with('-') ? -static_cast<int64_t>(*device)
                                 : static_cast<int64_t>(*device));
      break;
    }
    case Section::kStatus:
      status_ids(text, "\nUid:", snapshot.uid, snapshot.euid);
      status_ids(text, "\nGid:", snapshot.gid, snapshot.egid);
      break;
    case Section::kLoginuid:
      snapshot.loginuid = id_of(text);
      break;
    case Section::kSessionid:
      snapshot.session = id_of(text);
      break;
    case Section::kCmdline:
      snapshot.argv = split_argv(text);
      snapshot.argv_truncated = text.size() >= kMaxCmdline;
      break;
    case Section::kAuxv:
      if (bytes.size() >= 8 && load<uint64_t>(bytes.data()) < 1024) {
        decode_auxv<uint64_t>(bytes, snapshot);
      } else {
        decode_auxv<uint32_t>(bytes, snapshot);
      }
      break;
    case Section::kCgroup:
      snapshot.cgroup = cgroup_path(text);
      break;
  }
}

}  // namespace

int32_t ppid_of_stat(std::string_view stat) {
  return static_cast<int32_t>(parse_unsigned(stat_field(stat, 4)).value_or(0));
}

uint64_t start_ticks_of_stat(std::string_view stat) {
  return parse_unsigned(stat_field(stat, 22)).value_or(0);
}

std::optional<size_t> environ_size_of_stat(std::string_view stat) {
  const auto vsize = parse_unsigned(stat_field(stat, 23));
  const auto start = parse_unsigned(stat_field(stat, 50));
  const auto end = parse_unsigned(stat_field(stat, 51));
  if (!vsize || *vsize == 0 || !start || !end || *end < *start)
    return std::nullopt;
  return static_cast<size_t>(*end - *start);
}

void SnapshotWriter::begin(Section what) {
  section_ = size_;
  if (size_ + kSectionHeader > limit_)
    return;
  space_[size_] = static_cast<std::byte>(what);
  size_ += kSectionHeader;
}

bool SnapshotWriter::append(std::string_view bytes) {
  // Not begun for lack of space, or no space now.
  if (size_ == section_ || bytes.size() > room().size())
    return false;
  std::memcpy(space_.data() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
  return true;
}

std::span<std::byte> SnapshotWriter::room() const {
  if (size_ == section_ || size_ >= limit_)
    return {};
  return space_.subspan(size_, limit_ - size_);
}

std::string_view SnapshotWriter::section() const {
  if (size_ == section_)
    return {};
  const size_t begin = section_ + kSectionHeader;
  return text_of(space_.subspan(begin, size_ - begin));
}

void SnapshotWriter::end() {
  if (size_ == section_)
    return;
  const size_t length = size_ - section_ - kSectionHeader;
  for (size_t i = 0; i < 3; ++i)
    space_[section_ + 1 + i] = static_cast<std::byte>(length >> (8 * i));
}

size_t SnapshotWriter::finish(SnapshotKind kind, int error, int32_t pid,
                              uint64_t exec_ns) {
  if (space_.size() < kSnapshotHeader)
    return 0;
  if (kind != SnapshotKind::kWatched) {
    size_ = kSnapshotHeader;
    truncated_ = false;
  }
  space_[0] = static_cast<std::byte>(kind);
  space_[1] = static_cast<std::byte>(truncated_ ? 1 : 0);
  store(space_.data() + 2, static_cast<uint16_t>(error));
  store(space_.data() + 4, pid);
  store(space_.data() + 8, exec_ns);
  return size_;
}

std::optional<SnapshotHeader> parse_header(std::span<const std::byte> message) {
  if (message.size() < kSnapshotHeader)
    return std::nullopt;
  SnapshotHeader header;
  header.kind = static_cast<SnapshotKind>(message[0]);
  header.truncated = message[1] != std::byte{0};
  header.error = load<uint16_t>(message.data() + 2);
  header.pid = load<int32_t>(message.data() + 4);
  header.exec_ns = load<uint64_t>(message.data() + 8);
  return header;
}

ExecSnapshot decode_snapshot(std::span<const std::byte> message) {
  ExecSnapshot snapshot;
  const auto header = parse_header(message);
  if (!header)
    return snapshot;
  snapshot.pid = header->pid;
  snapshot.exec_ns = header->exec_ns;
  snapshot.truncated = header->truncated;
  auto rest = message.subspan(kSnapshotHeader);
  while (rest.size() >= kSectionHeader) {
    const auto what = static_cast<Section>(rest[0]);
    size_t length = 0;
    for (size_t i = 0; i < 3; ++i)
      length |= static_cast<size_t>(rest[1 + i]) << (8 * i);
    rest = rest.subspan(kSectionHeader);
    length = std::min(length, rest.size());
    decode_section(what, rest.first(length), snapshot);
    rest = rest.subspan(length);
  }
  return snapshot;
}

}  // namespace preload
