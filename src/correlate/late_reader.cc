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
// No pid comes round again so soon.
constexpr int64_t kParentAgeNs = 250 * kNanosPerMilli;
constexpr size_t kMaxParents = 1024;
constexpr std::string_view kDeleted = " (deleted)";

std::string link_of(const Fd& proc, int32_t pid) {
  std::array<char, 4096> target;
  const std::string path = fmt::format("{}/exe", pid);
  const ssize_t n =
      ::readlinkat(proc.get(), path.c_str(), target.data(), target.size());
  return n > 0 ? std::string(target.data(), static_cast<size_t>(n))
               : std::string();
}

// Since boot, in clock ticks; 0 when it has gone.
uint64_t start_ticks_of(const Fd& proc, int32_t pid) {
  std::array<char, 1024> stat;
  const std::string path = fmt::format("{}/stat", pid);
  const Fd file(::openat(proc.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t n = file ? ::read(file.get(), stat.data(), stat.size()) : -1;
  if (n <= 0)
    return 0;
  return start_ticks_of_stat({stat.data(), static_cast<size_t>(n)});
}

int64_t wall_us_of(uint64_t start_ticks, const Clock& clock) {
  const auto ticks_per_second = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  timespec boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  const int64_t uptime_us = int64_t{boot.tv_sec} * kMicrosPerSecond +
                            int64_t{boot.tv_nsec} / kNanosPerMicro;
  return clock.wall_us() - uptime_us +
         static_cast<int64_t>(start_ticks * kMicrosPerSecond /
                              ticks_per_second);
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

}  // namespace

bool same_program(std::string_view link, std::string_view exe) {
  for (std::string_view* path : {&link, &exe})
    if (path->ends_with(kDeleted))
      path->remove_suffix(kDeleted.size());
  if (exe.empty() || link == exe)
    return true;
  return exe.front() == '/' && link.ends_with(exe);
}

// All that a job touches, since it may outlive the reader.
struct LateReader::Reading {
  explicit Reading(const Fd& from)
      : proc(::fcntl(from.get(), F_DUPFD_CLOEXEC, 0)),
        reader(proc),
        space(new std::byte[kMaxSnapshot]) {}

  Fd proc;
  ProcReader reader;
  std::unique_ptr<std::byte[]> space;  // kMaxSnapshot, touched as needed

  // What the last job has found.
  ReadOutcome outcome;
  std::string program;
  int program_error = 0;  // errno when `program` is empty
  uint64_t start_ticks = 0;
};

LateReader::LateReader(const Fd& proc, const Clock& clock, TimedCall::Sum sum)
    : clock_(clock),
      proc_(::fcntl(proc.get(), F_DUPFD_CLOEXEC, 0)),
      calls_("reading a process in /proc", sum) {}

bool LateReader::bounded(const std::function<void(Reading&)>& job) {
  if (!reading_)
    reading_ = std::make_shared<Reading>(proc_);
  const bool done = calls_.run([reading = reading_, job] { job(*reading); });
  if (!done)
    reading_.reset();
  return done;
}

// kUnread with its reason, or what is there; `reading_` has the rest.
LateRead LateReader::take(int32_t pid, const WatchList& watched) {
  const auto now_ns = static_cast<uint64_t>(clock_.monotonic_ns());
  const bool done = bounded([pid, now_ns, names = watched](Reading& r) {
    const auto space = std::span(r.space.get(), kMaxSnapshot);
    r.outcome = r.reader.read(pid, now_ns, names, space);
    r.program = link_of(r.proc, pid);
    r.program_error = r.program.empty() ? errno : 0;
    r.start_ticks = start_ticks_of(r.proc, pid);
  });
  LateRead result;
  if (!done) {
    result.reason = MissReason::kUnreadable;
    return result;
  }
  const ReadOutcome& outcome = reading_->outcome;
  if (outcome.kind == SnapshotKind::kUnread) {
    result.reason = reason_of(outcome.error, !is_gone(reading_->program_error));
    return result;
  }
  result.kind = outcome.kind;
  if (outcome.kind == SnapshotKind::kWatched)
    result.snapshot = std::make_unique<ExecSnapshot>(decode_snapshot(
        std::span(reading_->space.get(), kMaxSnapshot).first(outcome.length)));
  // Large environments are rare: do not keep their memory.
  if (outcome.length > kKeepBytes)
    reading_->space.reset(new std::byte[kMaxSnapshot]);
  return result;
}

LateRead LateReader::read(int32_t pid, const WatchList& watched,
                          std::string_view audit_exe, int64_t event_us) {
  LateRead result = take(pid, watched);
  if (result.kind == SnapshotKind::kUnread)
    return result;
  const auto missed = [&](MissReason reason) {
    result = LateRead();
    result.reason = reason;
  };
  const Reading& now = *reading_;
  // The pid may be another process's already.
  if (now.start_ticks == 0 ||
      wall_us_of(now.start_ticks, clock_) > event_us + kStartSlackUs) {
    missed(MissReason::kExited);
  } else if (now.program.empty()) {  // or its path is too long for /proc
    missed(reason_of(now.program_error, true));
  } else if (!same_program(now.program, audit_exe)) {
    missed(MissReason::kReplaced);
  } else if (now.outcome.scrubbed) {
    missed(MissReason::kUnreadable);
  } else if (result.snapshot) {
    result.snapshot->parent_executable = parent_program(*result.snapshot);
  }
  return result;
}

LateRead LateReader::look_at(int32_t pid, const WatchList& watched) {
  LateRead result = take(pid, watched);
  if (result.snapshot)
    result.snapshot->parent_executable = parent_program(*result.snapshot);
  return result;
}

const LateReader::Parent& LateReader::parent_of(const ExecSnapshot& child) {
  const int32_t pid = child.ppid;
  const int64_t now_ns = clock_.monotonic_ns();
  const auto known = parents_.find(pid);
  if (known != parents_.end() && now_ns - known->second.read_ns < kParentAgeNs)
    return known->second;
  Parent parent{{}, 0, now_ns};
  const bool done = pid > 0 && bounded([pid](Reading& r) {
                      r.start_ticks = start_ticks_of(r.proc, pid);
                      r.program = link_of(r.proc, pid);
                    });
  if (done) {
    parent.program = reading_->program;
    parent.start_ticks = reading_->start_ticks;
  }
  if (parents_.size() >= kMaxParents)
    parents_.clear();
  return parents_[pid] = std::move(parent);
}

std::string LateReader::parent_program(const ExecSnapshot& child) {
  const Parent& parent = parent_of(child);
  // A younger one has got the parent's pid.
  if (parent.start_ticks > child.start_ticks)
    return {};
  return parent.program;
}

}  // namespace preload
