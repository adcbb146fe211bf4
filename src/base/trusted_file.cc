// SPDX-License-Identifier: Apache-2.0
#include "preload/base/trusted_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

namespace preload {

namespace {

Status check(const std::string& path, const struct stat& status) {
  const std::array<uid_t, 2> owners{0, ::geteuid()};
  if (const auto flaw = find_flaw(path, status, owners))
    return fail(flaw->what + ": " + flaw->remedy);
  return {};
}

}  // namespace

std::optional<Flaw> find_flaw(const std::string& path,
                              const struct stat& status,
                              std::span<const uid_t> owners) {
  if (std::find(owners.begin(), owners.end(), status.st_uid) == owners.end())
    return Flaw{fmt::format("{} belongs to uid {}, who could change it", path,
                            status.st_uid),
                "chown root " + path};
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Flaw{fmt::format("{} has mode {:04o}, others could change it", path,
                            status.st_mode & 07777U),
                "chmod go-w " + path};
  return std::nullopt;
}

Result<Fd> open_trusted(const std::string& path, int flags, mode_t mode) {
  // O_NONBLOCK: a FIFO in its place must not block.
  Fd fd(::open(path.c_str(),
               flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode));
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
  if (Status good = check(path, status); !good)
    return tl::unexpected(good.error());
  return fd;
}

Status check_trusted_directory(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return fail("cannot use the directory " + path, errno);
  if (!S_ISDIR(status.st_mode))
    return fail(path + " is not a directory");
  return check(path, status);
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos)
    return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::optional<std::string> read_up_to(const Fd& fd, size_t limit) {
  std::string content;
  while (content.size() < limit) {
    constexpr size_t kStep = size_t{64} << 10;
    const size_t size = content.size();
    content.resize(std::min(limit, size + kStep));
    const ssize_t n =
        ::read(fd.get(), content.data() + size, content.size() - size);
    content.resize(size + (n > 0 ? static_cast<size_t>(n) : 0));
    if (n < 0)
      return std::nullopt;
    if (n == 0)
      break;
  }
  return content;
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
