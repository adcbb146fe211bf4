// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/file_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "preload/base/trusted_file.h"
#include "preload/deliver/ecs_format.h"

namespace preload {
namespace {

constexpr mode_t kMode = 0640;

}  // namespace

FileSink::FileSink(std::string path, HostInfo host, const Clock& clock)
    : path_(std::move(path)), host_(std::move(host)), clock_(clock) {}

Status FileSink::deliver(const Alert& alert) {
  return append(ecs_document(alert, host_, kEcsFileBytes - 1));
}

Status FileSink::deliver_event(const ExecEvent& event) {
  return append(
      ecs_document(event, clock_.wall_us(), host_, kEcsFileBytes - 1));
}

Status FileSink::open() {
  auto fd = open_trusted(path_, O_RDWR | O_APPEND | O_CREAT, kMode);
  if (!fd)
    return tl::unexpected(fd.error());
  struct stat status {};
  if (::fstat(fd->get(), &status) != 0)
    return fail("cannot examine " + path_, errno);
  fd_ = std::move(*fd);
  cut_ = false;
  return drop_cut_line(status.st_size);
}

Status FileSink::drop_cut_line(int64_t size) {
  const auto most = std::min(static_cast<size_t>(size), size_t{kEcsFileBytes});
  std::string tail(most, '\0');
  const auto begin = size - static_cast<int64_t>(most);
  const ssize_t n = ::pread(fd_.get(), tail.data(), tail.size(), begin);
  if (n < 0)
    return fail("cannot read the end of " + path_, errno);
  tail.resize(static_cast<size_t>(n));
  if (tail.empty() || tail.back() == '\n')
    return {};
  const size_t end = tail.rfind('\n');
  // A longer line is not the plugin's: it stays, and the next begins below it.
  if (end == std::string::npos && begin > 0) {
    cut_ = true;
    return {};
  }
  const int64_t keep =
      end == std::string::npos ? begin : begin + static_cast<int64_t>(end) + 1;
  cut_ = ::ftruncate(fd_.get(), keep) != 0;
  return {};
}

Status FileSink::append(std::string line) {
  struct stat status {};
  // A file that was deleted would take documents that nobody can read.
  if (fd_ && (::fstat(fd_.get(), &status) != 0 || status.st_nlink == 0))
    fd_.reset();
  if (!fd_) {
    if (Status opened = open(); !opened) {
      fd_.reset();
      return opened;
    }
    if (::fstat(fd_.get(), &status) != 0)
      return fail("cannot examine " + path_, errno);
  }
  line += '\n';
  if (cut_)
    line.insert(line.begin(), '\n');
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd_.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      const int error = errno;
      if (rest.size() < line.size())
        cut_ = ::ftruncate(fd_.get(), status.st_size) != 0;
      return fail("cannot write " + path_, error);
    }
    rest.remove_prefix(static_cast<size_t>(n));
  }
  cut_ = false;
  return {};
}

}  // namespace preload
