// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/late_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <string>

namespace preload {
namespace {

// Start times count in clock ticks (10 ms) and audit's clock is as coarse.
constexpr int64_t kStartSlackUs = 30'000;
constexpr size_t kKeepBytes = size_t{256} * 1024;

std::string link_of(const Fd& proc, int32_t pid) {
  std::array<char, 4096> target;
  const std::string path = fmt::format("{}/exe", pid);
  const ssize_t n =
      ::readlinkat(proc.get(), path.c_str(), target.data(), target.size());
  return n > 0 ? std::string(target.data(), static_cast<size_t>(n))
               : std::string();
}

// Wall clock of a process's start, us; 0 when it has gone.
int64_t start_of(const Fd& proc, int32_t pid, const Clock& clock) {
  std::array<char, 1024> stat;
  const std::string path = fmt::format("{}/stat", pid);
  const Fd file(::openat(proc.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t n = file ? ::read(file.get(), stat.data(), stat.size()) : -1;
  if (n <= 0)
    return 0;
  const uint64_t ticks =
      start_ticks_of_stat({stat.data(), static_cast<size_t>(n)});
  const auto ticks_per_second = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  timespec boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  const int64_t uptime_us = int64_t{boot.tv_sec} * kMicrosPerSecond +
                            int64_t{boot.tv_nsec} / kNanosPerMicro;
  return clock.wall_us() - uptime_us +
         static_cast<int64_t>(ticks * kMicrosPerSecond / ticks_per_second);
}

}  // namespace

bool same_program(std::string_view link, std::string_view exe) {
  if (exe.empty() || link == exe)
    return true;
  return exe.front() == '/' && link.ends_with(exe);
}

LateReader::LateReader(const Fd& proc, const Clock& clock)
    : proc_(proc),
      clock_(clock),
      reader_(proc),
      space_(new std::byte[kMaxSnapshot]) {}

LateRead LateReader::read(int32_t pid, const WatchList& watched,
                          std::string_view audit_exe, int64_t event_us) {
  const auto space = std::span(space_.get(), kMaxSnapshot);
  const auto outcome = reader_.read(
      pid, static_cast<uint64_t>(clock_.monotonic_ns()), watched, space);
  LateRead result;
  if (outcome.kind == SnapshotKind::kUnread) {
    result.reason = judge(pid, outcome.error);
    return result;
  }
  const std::string program = link_of(proc_, pid);
  const int64_t start_us = start_of(proc_, pid, clock_);
  // The pid may be another process's already.
  if (program.empty() || start_us == 0 || start_us > event_us + kStartSlackUs) {
    result.reason = MissReason::kExited;
  } else if (!same_program(program, audit_exe)) {
    result.reason = MissReason::kReplaced;
  } else if (outcome.scrubbed) {
    result.reason = MissReason::kUnreadable;
  } else {
    result.kind = outcome.kind;
    if (outcome.kind == SnapshotKind::kWatched)
      result.snapshot = std::make_unique<ExecSnapshot>(
          decode_snapshot(space.first(outcome.length)));
  }
  // Large environments are rare: do not keep their memory.
  if (outcome.length > kKeepBytes)
    space_.reset(new std::byte[kMaxSnapshot]);
  return result;
}

MissReason LateReader::judge(int32_t pid, int error) const {
  switch (error) {
    case EACCES:
    case EPERM:
      return MissReason::kDenied;
    case ENOENT:
    case ESRCH:
      return MissReason::kExited;
    default:
      return link_of(proc_, pid).empty() ? MissReason::kExited
                                         : MissReason::kUnreadable;
  }
}

}  // namespace preload
