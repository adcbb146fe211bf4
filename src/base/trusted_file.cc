// SPDX-License-Identifier: Apache-2.0
#include "preload/base/trusted_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace preload {

Result<Fd> open_trusted(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ELOOP)
    return fail(path +
                " is a symbolic link, which could point anywhere: "
                "put a regular file in its place");
  if (!fd)
    return fail("cannot open " + path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0)
    return fail("cannot examine " + path, errno);
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
  return fd;
}

Result<std::string> read_all(const Fd& fd, size_t limit,
                             const std::string& name) {
  std::string content;
  while (content.size() <= limit) {
    constexpr size_t kStep = 4096;
    const size_t size = content.size();
    content.resize(size + kStep);
    const ssize_t n = ::read(fd.get(), content.data() + size, kStep);
    if (n < 0)
      return fail("cannot read " + name, errno);
    content.resize(size + static_cast<size_t>(n));
    if (n == 0)
      return content;
  }
  return fail(fmt::format("{} is larger than {} bytes", name, limit));
}

Status replace_file(const std::string& path, std::string_view content,
                    unsigned mode) {
  const std::string aside = path + ".new";
  ::unlink(aside.c_str());
  const Fd fd(::open(aside.c_str(),
                     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                     mode));
  if (!fd || ::fchmod(fd.get(), mode) != 0)
    return fail("cannot create " + aside, errno);
  while (!content.empty()) {
    const ssize_t n = ::write(fd.get(), content.data(), content.size());
    if (n < 0) {
      const int error = errno;
      ::unlink(aside.c_str());
      return fail("cannot write " + aside, error);
    }
    content.remove_prefix(static_cast<size_t>(n));
  }
  if (::rename(aside.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(aside.c_str());
    return fail("cannot replace " + path, error);
  }
  return {};
}

}  // namespace preload
