// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/file_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "preload/deliver/ecs_format.h"

namespace preload {
namespace {

constexpr mode_t kMode = 0640;

Status check(const struct stat& status, const std::string& path) {
  if (!S_ISREG(status.st_mode))
    return fail(path + " is not a regular file");
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    return fail(
        fmt::format("{0} belongs to uid {1}, who could change it: "
                    "chown root {0}",
                    path, status.st_uid));
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(
        fmt::format("{0} has mode {1:04o}, others could change it: "
                    "chmod go-w {0}",
                    path, status.st_mode & 07777U));
  return {};
}

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
  // O_NONBLOCK: a FIFO put in its place must not stop us.
  Fd fd(::open(path_.c_str(),
               O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
                   O_NONBLOCK | O_NOCTTY,
               kMode));
  if (!fd && errno == ELOOP)
    return fail(path_ +
                " is a symbolic link, which could point anywhere: "
                "put a regular file in its place");
  if (!fd)
    return fail("cannot open " + path_, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0)
    return fail("cannot examine " + path_, errno);
  if (Status good = check(status, path_); !good)
    return good;
  fd_ = std::move(fd);
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
  // A longer line is not ours: it stays, and ours begin below it.
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
