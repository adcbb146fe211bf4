// SPDX-License-Identifier: Apache-2.0
#include "preload/procfs/proc_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>

#include "preload/base/clock.h"

namespace preload {

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

}  // namespace preload
