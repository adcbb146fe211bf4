// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/environ_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "preload/procfs/proc_files.h"

namespace preload {
namespace {

// Start times count in clock ticks (10 ms) and audit's clock is as coarse.
constexpr int64_t kStartSlackUs = 30'000;
constexpr size_t kKeepBytes = size_t{256} * 1024;
constexpr std::string_view kDeleted = " (deleted)";

int64_t wall_us_of(uint64_t start_ticks, const Clock& clock) {
  const auto age_ticks = static_cast<int64_t>(now_ticks() - start_ticks);
  return clock.wall_us() - age_ticks * kMicrosPerSecond /
                               static_cast<int64_t>(ticks_per_second());
}

bool is_gone(int error) {
  return error == ENOENT || error == ESRCH;
}

MissReason reason_of(int error, bool runs) {
  if (error == EACCES || error == EPERM)
    return MissReason::kDenied;
  return runs && !is_gone(error) ? MissReason::kUnreadable
                                 : MissReason::kExited;
}

LateRead missed(MissReason reason) {
  LateRead result;
  result.reason = reason;
  return result;
}

}  // namespace

bool same_program(std::string_view link, std::string_view exe) {
  for (std::string_view* path : {&link, &exe})
    if (path->ends_with(kDeleted))
      path->remove_suffix(kDeleted.size());
  if (exe.empty() || link == exe)
    return true;
  return exe.front() == '/' && link.ends_with(exe);
}

EnvironReader::EnvironReader(const Fd& proc, const Clock& clock)
    : clock_(clock),
      proc_(::fcntl(proc.get(), F_DUPFD_CLOEXEC, 0)),
      reader_(proc_),
      space_(new std::byte[kMaxSnapshot]) {}

EnvironReader::Program EnvironReader::program_of(int32_t pid) const {
  Program program;
  std::array<char, kMaxLink> target;
  program.path = read_link(proc_.get(), ProcPath(pid, "/exe").c_str(), target);
  program.error = program.path.empty() ? errno : 0;
  std::array<char, kMaxStat> stat;
  program.start_ticks =
      parse_stat(read_file(proc_.get(), ProcPath(pid, "/stat").c_str(), stat))
          .start_ticks;
  return program;
}

LateRead EnvironReader::take(int32_t pid, const WatchList& watched) {
  const auto now_ns = static_cast<uint64_t>(clock_.monotonic_ns());
  const auto space = std::span(space_.get(), kMaxSnapshot);
  outcome_ = reader_.read(pid, now_ns, watched, space);
  LateRead result;
  result.kind = outcome_.kind;
  if (outcome_.kind != SnapshotKind::kWatched)
    return result;
  result.snapshot =
      std::move(parse_notice(space.first(outcome_.length))->snapshot);
  // Large environments are rare: do not keep their memory.
  if (outcome_.length > kKeepBytes)
    space_.reset(new std::byte[kMaxSnapshot]);
  return result;
}

LateRead EnvironReader::read(int32_t pid, const WatchList& watched,
                             std::string_view exe, int64_t event_us) {
  LateRead result = take(pid, watched);
  const Program now = program_of(pid);
  if (result.kind == SnapshotKind::kUnread)
    return missed(reason_of(outcome_.error, !is_gone(now.error)));
  // The pid may be another process's already.
  if (now.start_ticks == 0 ||
      wall_us_of(now.start_ticks, clock_) > event_us + kStartSlackUs)
    return missed(MissReason::kExited);
  if (now.path.empty())  // or its path is too long for /proc
    return missed(reason_of(now.error, true));
  if (!same_program(now.path, exe))
    return missed(MissReason::kReplaced);
  if (outcome_.scrubbed)
    return missed(MissReason::kUnreadable);
  return result;
}

LateRead EnvironReader::read_any(int32_t pid, const WatchList& watched) {
  return take(pid, watched);
}

}  // namespace preload
