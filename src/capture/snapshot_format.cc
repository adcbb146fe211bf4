// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/snapshot_format.h"

#include <fmt/format.h>

#include <cstring>
#include <string>

#include "preload/base/text.h"
#include "preload/procfs/proc_files.h"

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

// Documentation/admin-guide/devices.txt
constexpr unsigned kTtyMajor = 4;
constexpr unsigned kFirstSerialMinor = 64;
constexpr unsigned kFirstPtsMajor = 136;
constexpr unsigned kLastPtsMajor = 143;
constexpr unsigned kPtsPerMajor = 256;

// ExecSnapshot::tty for a device number of stat's tty_nr.
std::string tty_name(int32_t tty_nr) {
  if (tty_nr == 0)
    return "(none)";
  // new_encode_dev() of the kernel is what makedev() undoes for these sizes.
  const auto number = static_cast<uint32_t>(tty_nr);
  const unsigned device_major = (number & 0xfff00U) >> 8;
  const unsigned device_minor = (number & 0xffU) | ((number >> 12) & 0xfff00U);
  if (device_major >= kFirstPtsMajor && device_major <= kLastPtsMajor)
    return fmt::format(
        "pts{}", (device_major - kFirstPtsMajor) * kPtsPerMajor + device_minor);
  if (device_major == kTtyMajor && device_minor >= kFirstSerialMinor)
    return fmt::format("ttyS{}", device_minor - kFirstSerialMinor);
  if (device_major == kTtyMajor)
    return fmt::format("tty{}", device_minor);
  return fmt::format("{}:{}", device_major, device_minor);
}

// The id of the container that a cgroup path belongs to (64 hexadecimal
// digits of Docker, podman, containerd and CRI-O), or empty.
std::string container_id(std::string_view cgroup) {
  constexpr size_t kDigits = 64;
  const auto is_digit = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  };
  size_t run = 0;
  for (size_t i = cgroup.size(); i-- > 0;) {
    run = is_digit(cgroup[i]) ? run + 1 : 0;
    const bool bounded = i == 0 || !is_digit(cgroup[i - 1]);
    if (run == kDigits && bounded)
      return std::string(cgroup.substr(i, run));
  }
  return {};
}

void decode_section(Section what, std::string_view text,
                    ExecSnapshot& snapshot) {
  switch (what) {
    case Section::kEnv:
      snapshot.env.emplace_back().name = next_field(text, '=');
      snapshot.env.back().value = text;
      break;
    case Section::kExe:
      snapshot.executable = text;
      break;
    case Section::kCwd:
      snapshot.cwd = text;
      break;
    case Section::kStat: {
      const ProcessStat stat = parse_stat(text);
      snapshot.ppid = stat.ppid;
      snapshot.start_ticks = stat.start_ticks;
      snapshot.tty = tty_name(stat.tty_nr);
      break;
    }
    case Section::kStatus: {
      const ProcessIds ids = parse_status_ids(text);
      snapshot.uid = ids.uid;
      snapshot.euid = ids.euid;
      snapshot.gid = ids.gid;
      snapshot.egid = ids.egid;
      break;
    }
    case Section::kLoginuid:
      snapshot.auid = parse_id(text);
      break;
    case Section::kSessionid:
      snapshot.ses = parse_id(text);
      break;
    case Section::kCmdline:
      snapshot.argv_truncated = text.size() >= kMaxCmdline;
      while (!text.empty())
        snapshot.argv.emplace_back(next_string(text));
      break;
    case Section::kAuxv: {
      const Auxv auxv = parse_auxv(text);
      snapshot.secure = auxv.secure;
      snapshot.no_interpreter = auxv.no_interpreter;
      break;
    }
    case Section::kCgroup:
      snapshot.cgroup = parse_cgroup(text);
      snapshot.container = container_id(snapshot.cgroup);
      break;
  }
}

}  // namespace

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

std::span<char> SnapshotWriter::room() const {
  if (size_ == section_ || size_ >= limit_)
    return {};
  // char may alias anything.
  return {reinterpret_cast<char*>(space_.data()) + size_, limit_ - size_};
}

std::string_view SnapshotWriter::section() const {
  if (size_ == section_)
    return {};
  const size_t begin = section_ + kSectionHeader;
  return text_of(space_.subspan(begin, size_ - begin));
}

void SnapshotWriter::end() {
  const size_t length = section().size();
  if (length == 0)
    return abandon();
  for (size_t i = 0; i < 3; ++i)
    space_[section_ + 1 + i] = static_cast<std::byte>(length >> (8 * i));
}

size_t SnapshotWriter::finish(SnapshotKind kind, int32_t pid,
                              uint64_t exec_ns) {
  if (space_.size() < kSnapshotHeader)
    return 0;
  const bool watched = kind == SnapshotKind::kWatched;
  space_[0] = static_cast<std::byte>(kind);
  space_[1] = static_cast<std::byte>(watched && truncated_ ? 1 : 0);
  store(space_.data() + 4, pid);
  store(space_.data() + 8, exec_ns);
  return watched ? size_ : kSnapshotHeader;
}

std::optional<ExecNotice> parse_notice(std::span<const std::byte> message) {
  if (message.size() < kSnapshotHeader)
    return std::nullopt;
  ExecNotice notice;
  notice.kind = static_cast<SnapshotKind>(message[0]);
  notice.pid = load<int32_t>(message.data() + 4);
  notice.exec_ns = load<uint64_t>(message.data() + 8);
  if (notice.kind != SnapshotKind::kWatched)
    return notice;
  notice.snapshot = std::make_unique<ExecSnapshot>();
  notice.snapshot->pid = notice.pid;
  notice.snapshot->exec_ns = notice.exec_ns;
  notice.snapshot->env_truncated = message[1] != std::byte{0};
  auto rest = message.subspan(kSnapshotHeader);
  while (rest.size() >= kSectionHeader) {
    const auto what = static_cast<Section>(rest[0]);
    size_t length = 0;
    for (size_t i = 0; i < 3; ++i)
      length |= static_cast<size_t>(rest[1 + i]) << (8 * i);
    rest = rest.subspan(kSectionHeader);
    length = std::min(length, rest.size());
    decode_section(what, text_of(rest.first(length)), *notice.snapshot);
    rest = rest.subspan(length);
  }
  return notice;
}

}  // namespace preload
