// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/proc_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>

namespace preload {
namespace {

constexpr size_t kLinkBytes = 4096;
constexpr size_t kSmallFileBytes = 4096;

// "PID/name" without allocation.
class ProcPath {
 public:
  ProcPath(int32_t pid, std::string_view name) {
    char* end = std::to_chars(path_.data(), path_.data() + 16, pid).ptr;
    end = std::copy(name.begin(), name.end(), end);
    *end = '\0';
  }
  [[nodiscard]] const char* c_str() const { return path_.data(); }

 private:
  std::array<char, 48> path_;
};

Fd open_at(int dir, const char* path) {
  return Fd(::openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
}

// The start of a file as a section, up to `limit` bytes. Nothing written when
// it cannot be read.
void copy_file(int dir, const char* path, Section what, size_t limit,
               SnapshotWriter& out) {
  out.begin(what);
  const Fd file = open_at(dir, path);
  size_t copied = 0;
  while (file && copied < limit) {
    const auto room =
        out.room().first(std::min(out.room().size(), limit - copied));
    if (room.empty())
      break;
    const ssize_t n = ::read(file.get(), room.data(), room.size());
    if (n <= 0)
      break;
    out.advance(static_cast<size_t>(n));
    copied += static_cast<size_t>(n);
    // These files give all that there is room for.
    if (static_cast<size_t>(n) < room.size())
      break;
  }
  if (copied > 0) {
    out.end();
  } else {
    out.abandon();
  }
}

void copy_link(int dir, const char* path, Section what, SnapshotWriter& out) {
  out.begin(what);
  const auto room = out.room();
  const ssize_t n =
      room.empty()
          ? -1
          : ::readlinkat(dir, path, reinterpret_cast<char*>(room.data()),
                         std::min(room.size(), kLinkBytes));
  if (n > 0) {
    out.advance(static_cast<size_t>(n));
    out.end();
  } else {
    out.abandon();
  }
}

}  // namespace

Result<Fd> ProcReader::open_proc(const char* path) {
  Fd proc(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!proc)
    return fail(std::string("cannot open ") + path, errno);
  return proc;
}

ReadOutcome ProcReader::read(int32_t pid, uint64_t exec_ns,
                             const WatchList& watched,
                             std::span<std::byte> space) {
  SnapshotWriter out(space);
  EnvironScanner scanner(watched, out);
  const Environ environ = read_environ(pid, scanner, out);
  ReadOutcome outcome;
  outcome.error = environ.error;
  outcome.scrubbed = environ.bytes > 0 && scanner.pairs() == 0;
  if (scanner.kept() > 0) {
    outcome.kind = SnapshotKind::kWatched;
    if (environ.error != 0)
      out.set_truncated();
    if (!environ.rest_read)
      read_rest(pid, out);
  } else if (scanner.watched() > 0 && environ.error == 0) {
    outcome.error = ENOBUFS;
  } else if (environ.error == 0) {
    outcome.kind = SnapshotKind::kNothing;
  }
  outcome.length = out.finish(outcome.kind, outcome.error, pid, exec_ns);
  return outcome;
}

ProcReader::Environ ProcReader::read_environ(int32_t pid,
                                             EnvironScanner& scanner,
                                             SnapshotWriter& out) {
  Environ result;
  const Fd file = open_at(proc_, ProcPath(pid, "/environ").c_str());
  if (!file) {
    result.error = errno;
    return result;
  }
  out.leave(kOtherSections);
  bool ends_with_nul = false;
  while (true) {
    const ssize_t n = ::read(file.get(), buffer_.data(), buffer_.size());
    if (n < 0) {
      result.error = errno;
      scanner.cut();
      return result;
    }
    const auto length = static_cast<size_t>(n);
    // Much is to come, and a program that was moved to another CPU runs
    // meanwhile. From then on it may make all reads hang but of what is open.
    if (length == buffer_.size() && !result.rest_read) {
      read_rest(pid, out);
      result.rest_read = true;
    }
    scanner.feed({buffer_.data(), length});
    result.bytes += length;
    if (length > 0)
      ends_with_nul = buffer_[length - 1] == '\0';
    // The kernel fills the buffer while there is more.
    if (length < buffer_.size())
      break;
  }
  scanner.finish();
  if (!ends_with_nul || result.rest_read)
    result.error = why_short(pid, file, result.bytes);
  return result;
}

// Short because it ended, or because the process did: 0 or an errno. A block
// in one piece that ends with the NUL of its last string is whole and needs
// no such look; a cut between strings looks the same.
int ProcReader::why_short(int32_t pid, const Fd& environ, size_t bytes) const {
  // While there is something to read, the memory is there, and has been.
  char first = 0;
  if (bytes > 0)
    return ::pread(environ.get(), &first, 1, 0) == 1 ? 0 : EIO;
  // An empty environment, or no memory any more.
  const std::optional<size_t> size = environ_size(pid);
  if (!size)
    return ESRCH;
  return *size > 0 ? EIO : 0;
}

// What the memory of the process says of its environment's size; nothing when
// it has no memory any more.
std::optional<size_t> ProcReader::environ_size(int32_t pid) const {
  std::array<char, 1024> stat;
  const Fd file = open_at(proc_, ProcPath(pid, "/stat").c_str());
  const ssize_t n = file ? ::read(file.get(), stat.data(), stat.size()) : -1;
  if (n <= 0)
    return std::nullopt;
  return environ_size_of_stat({stat.data(), static_cast<size_t>(n)});
}

void ProcReader::read_rest(int32_t pid, SnapshotWriter& out) {
  out.leave(0);
  // The directory stays bound to the process that it was opened for.
  const Fd dir(::openat(proc_, ProcPath(pid, "").c_str(),
                        O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!dir)
    return;
  copy_link(dir.get(), "exe", Section::kExe, out);
  copy_file(dir.get(), "stat", Section::kStat, kSmallFileBytes, out);
  copy_file(dir.get(), "status", Section::kStatus, kSmallFileBytes, out);
  copy_file(dir.get(), "loginuid", Section::kLoginuid, 16, out);
  copy_file(dir.get(), "sessionid", Section::kSessionid, 16, out);
  copy_file(dir.get(), "auxv", Section::kAuxv, kSmallFileBytes, out);
  copy_file(dir.get(), "cgroup", Section::kCgroup, kSmallFileBytes, out);
  copy_link(dir.get(), "cwd", Section::kCwd, out);
  copy_file(dir.get(), "cmdline", Section::kCmdline, kMaxCmdline, out);
}

}  // namespace preload
