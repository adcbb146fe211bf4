// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/inventory.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "preload/base/text.h"
#include "preload/base/timed_call.h"
#include "preload/correlate/environ_reader.h"
#include "preload/correlate/join.h"

namespace preload {
namespace {

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
class Reader {
 public:
  explicit Reader(const Fd& proc) : proc_(proc) {}

  LateRead read(int32_t pid, const WatchList& watched) {
    auto result = std::make_shared<LateRead>();
    if (run([=, names = watched](EnvironReader& reader) {
          *result = reader.read_any(pid, names);
        }))
      return std::move(*result);
    return {};
  }

  // Empty when it has gone or hangs, or a younger process has its pid.
  std::string parent_program(const ExecSnapshot& child) {
    auto parent = std::make_shared<EnvironReader::Program>();
    const bool done = run([=, pid = child.ppid](EnvironReader& reader) {
      *parent = reader.program_of(pid);
    });
    return done && parent->start_ticks <= child.start_ticks ? parent->path : "";
  }

 private:
  bool run(std::function<void(EnvironReader&)> job) {
    static const SystemClock kClock;  // a job may outlive any other
    if (!reader_)
      reader_ = std::make_shared<EnvironReader>(proc_, kClock);
    const bool done =
        calls_.run([reader = reader_, job = std::move(job)] { job(*reader); });
    if (!done)
      reader_.reset();
    return done;
  }

  const Fd& proc_;
  std::shared_ptr<EnvironReader> reader_;  // its last job may have it still
  TimedCall calls_{"reading a process in /proc"};
};

}  // namespace

size_t take_inventory(const Fd& proc, const WatchList& watched,
                      uint64_t before_ticks, const Clock& clock,
                      const std::atomic<bool>& stop, Pulse& pulse,
                      const std::function<void(ExecEventPtr)>& take) {
  Reader reader(proc);
  size_t processes = 0;
  for (const int32_t pid : pids_of(proc)) {
    if (stop)
      break;
    pulse.beat();
    if (pid == ::getpid())
      continue;
    LateRead read = reader.read(pid, watched);
    if (read.kind == SnapshotKind::kUnread)
      continue;
    ++processes;
    if (!read.snapshot ||
        (before_ticks != 0 && read.snapshot->start_ticks >= before_ticks))
      continue;
    read.snapshot->parent_executable = reader.parent_program(*read.snapshot);
    ExecEvent event(std::move(*read.snapshot));
    event.capture = Capture::kLate;
    event.origin = Origin::kInventory;
    event.time_us = clock.wall_us();
    take(std::make_shared<const ExecEvent>(std::move(event)));
  }
  return processes;
}

}  // namespace preload
