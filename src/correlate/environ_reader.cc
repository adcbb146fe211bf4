// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/environ_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <utility>
#include <vector>

#include "preload/base/text.h"
#include "preload/base/timed_call.h"
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

std::vector<int32_t> pids_of(const Fd& proc) {
  std::vector<int32_t> pids;
  const int fd = ::openat(proc.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd), ::closedir);
  // One reader of this stream: readdir(3) is safe.
  while (const dirent* entry = ::readdir(dir.get()))  // NOLINT
    if (const auto pid = parse_unsigned(entry->d_name))
      pids.push_back(static_cast<int32_t>(*pid));
  return pids;
}

// An EnvironReader whose calls end in time: one that hangs is left to the
// thread that is in it.
class TimedReader {
 public:
  explicit TimedReader(const Fd& proc) : proc_(proc) {}

  // What `job` gives; a default when it hangs.
  template <class Job>
  auto run(Job job) {
    static const SystemClock kClock;  // a job may outlive any other
    if (!reader_)
      reader_ = std::make_shared<EnvironReader>(proc_, kClock);
    auto result = std::make_shared<decltype(job(*reader_))>();
    if (calls_.run([=, reader = reader_] { *result = job(*reader); }))
      return std::move(*result);
    reader_.reset();
    return decltype(job(*reader_))();
  }

 private:
  const Fd& proc_;
  std::shared_ptr<EnvironReader> reader_;  // its last job may have it still
  TimedCall calls_{"reading a process in /proc"};
};

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

LateRead EnvironReader::read_any(int32_t pid, const WatchList& watched) {
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
  LateRead result = read_any(pid, watched);
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

size_t take_inventory(const Fd& proc, const WatchList& watched,
                      uint64_t before_ticks, const Clock& clock,
                      const std::atomic<bool>& stop, Pulse& pulse,
                      const std::function<void(ExecEventPtr)>& take) {
  TimedReader reader(proc);
  size_t processes = 0;
  for (const int32_t pid : pids_of(proc)) {
    if (stop)
      break;
    pulse.beat();
    if (pid == ::getpid())
      continue;
    const LateRead read = reader.run([pid, watched](EnvironReader& late) {
      return late.read_any(pid, watched);
    });
    if (read.kind == SnapshotKind::kUnread)
      continue;
    ++processes;
    if (!read.snapshot ||
        (before_ticks != 0 && read.snapshot->start_ticks >= before_ticks))
      continue;
    ExecEvent event(std::move(*read.snapshot));
    const auto parent = reader.run([ppid = event.ppid](EnvironReader& late) {
      return late.program_of(ppid);
    });
    if (parent.start_ticks <= event.start_ticks)  // else it got the pid later
      event.parent_executable = parent.path;
    event.capture = Capture::kLate;
    event.origin = Origin::kInventory;
    event.time_us = clock.wall_us();
    take(std::make_shared<const ExecEvent>(std::move(event)));
  }
  return processes;
}

}  // namespace preload
