// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/inventory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "preload/base/config.h"
#include "preload/base/text.h"
#include "preload/correlate/join.h"
#include "preload/correlate/late_reader.h"
#include "preload/correlate/preload_file.h"

namespace preload {
namespace {

// After the watch has fired: at once, and when a writer should be done.
constexpr int64_t kSoonNs = 200 * kNanosPerMilli;
constexpr int64_t kWhileFiredNs = 2 * kNanosPerSecond;
constexpr int64_t kFiredForNs = 20 * kNanosPerSecond;
constexpr int64_t kGiveAgainNs = kDay * kNanosPerSecond;

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

// Empty when there is no such file, or it is not a regular one.
std::string content_of(const std::string& path) {
  const Fd file(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return {};
  std::string content(kMaxPreloadFileBytes, '\0');
  size_t size = 0;
  while (size < content.size()) {
    const ssize_t n =
        ::read(file.get(), content.data() + size, content.size() - size);
    if (n <= 0)
      break;
    size += static_cast<size_t>(n);
  }
  content.resize(size);
  return content;
}

}  // namespace

uint64_t now_ticks(uint64_t seconds_ago) {
  timespec boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  const auto ticks = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  const auto seconds = static_cast<uint64_t>(boot.tv_sec);
  return (seconds - std::min(seconds, seconds_ago)) * ticks +
         static_cast<uint64_t>(boot.tv_nsec) * ticks / kNanosPerSecond;
}

size_t take_inventory(const Fd& proc, const WatchList& watched,
                      uint64_t before_ticks, const Clock& clock,
                      const std::atomic<bool>& stop, Pulse& pulse,
                      const std::function<void(ExecEvent&&)>& give) {
  LateReader reader(proc, clock, TimedCall::Sum::kUnbounded);
  size_t looked_at = 0;
  for (const int32_t pid : pids_of(proc)) {
    if (stop)
      break;
    pulse.beat();
    if (pid == ::getpid())
      continue;
    const LateRead found = reader.look_at(pid, watched);
    if (found.kind == SnapshotKind::kUnread)
      continue;
    ++looked_at;
    if (!found.snapshot ||
        (before_ticks != 0 && found.snapshot->start_ticks >= before_ticks))
      continue;
    ExecEvent event = event_of(*found.snapshot, Capture::kLate);
    event.origin = Origin::kInventory;
    event.time_us = clock.wall_us();
    give(std::move(event));
  }
  return looked_at;
}

void PreloadFileWatch::fired(ExecEvent event, int64_t now_ns) {
  toucher_ = std::move(event);
  fired_ns_ = now_ns;
  due_ns_ = std::min(due_ns_, now_ns + kSoonNs);
}

std::optional<ExecEvent> PreloadFileWatch::look(const Clock& clock) {
  const int64_t now_ns = clock.monotonic_ns();
  const bool fresh = fired_ns_ != 0 && now_ns - fired_ns_ < kFiredForNs;
  due_ns_ = now_ns + (fresh ? kWhileFiredNs : interval_ns_);
  std::vector<EnvVar> entries = preload_file_entries(content_of(path_));
  const bool same = entries == entries_;
  if (same && now_ns - given_ns_ < kGiveAgainNs)
    return std::nullopt;
  given_ns_ = now_ns;
  entries_ = std::move(entries);
  if (entries_.empty())
    return std::nullopt;
  ExecEvent event = fresh && !same ? toucher_ : ExecEvent{};
  event.origin = Origin::kPreloadFile;
  event.capture = Capture::kLate;
  event.time_us = clock.wall_us();
  event.env = entries_;
  return event;
}

}  // namespace preload
