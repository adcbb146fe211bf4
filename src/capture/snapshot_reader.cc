// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/snapshot_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "preload/procfs/proc_files.h"

namespace preload {
namespace {

constexpr size_t kSmallFileBytes = 4096;

// Copies what `read` (read_file or read_link) gives, up to `limit` bytes.
template <class Read>
void copy(Read read, const Fd& dir, const char* path, Section what,
          size_t limit, SnapshotWriter& out) {
  out.begin(what);
  const auto room = out.room();
  out.advance(
      read(dir.get(), path, room.first(std::min(room.size(), limit))).size());
  out.end();
}

}  // namespace

Result<Fd> SnapshotReader::open_proc(const char* path) {
  Fd proc(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!proc)
    return fail(std::string("cannot open ") + path, errno);
  return proc;
}

ReadOutcome SnapshotReader::read(int32_t pid, uint64_t exec_ns,
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
  outcome.length = out.finish(outcome.kind, pid, exec_ns);
  return outcome;
}

SnapshotReader::Environ SnapshotReader::read_environ(int32_t pid,
                                                     EnvironScanner& scanner,
                                                     SnapshotWriter& out) {
  Environ result;
  const Fd file = open_file(proc_, ProcPath(pid, "/environ").c_str());
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
int SnapshotReader::why_short(int32_t pid, const Fd& environ,
                              size_t bytes) const {
  // While there is something to read, the memory is there, and has been.
  char first = 0;
  if (bytes > 0)
    return ::pread(environ.get(), &first, 1, 0) == 1 ? 0 : EIO;
  // An empty environment, or no memory any more.
  std::array<char, kMaxStat> stat;
  const auto size =
      parse_stat(read_file(proc_, ProcPath(pid, "/stat").c_str(), stat))
          .environ_bytes;
  if (!size)
    return ESRCH;
  return *size > 0 ? EIO : 0;
}

void SnapshotReader::read_rest(int32_t pid, SnapshotWriter& out) {
  out.leave(0);
  // The directory stays bound to the process that it was opened for.
  const Fd dir(::openat(proc_, ProcPath(pid, "").c_str(),
                        O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!dir)
    return;
  copy(read_link, dir, "exe", Section::kExe, kMaxLink, out);
  copy(read_file, dir, "stat", Section::kStat, kSmallFileBytes, out);
  copy(read_file, dir, "status", Section::kStatus, kSmallFileBytes, out);
  copy(read_file, dir, "loginuid", Section::kLoginuid, 16, out);
  copy(read_file, dir, "sessionid", Section::kSessionid, 16, out);
  copy(read_file, dir, "auxv", Section::kAuxv, kSmallFileBytes, out);
  copy(read_file, dir, "cgroup", Section::kCgroup, kSmallFileBytes, out);
  copy(read_link, dir, "cwd", Section::kCwd, kMaxLink, out);
  copy(read_file, dir, "cmdline", Section::kCmdline, kMaxCmdline, out);
}

}  // namespace preload
