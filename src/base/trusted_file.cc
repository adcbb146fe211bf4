// SPDX-License-Identifier: Apache-2.0
#include "preload/base/trusted_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

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
  return check(path, status).map([&] { return std::move(fd); });
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
  const std::string directory = std::filesystem::path(path).parent_path();
  return directory.empty() ? "." : directory;
}

std::optional<std::string> read_up_to(const Fd& fd, size_t limit) {
  std::string content;
  while (content.size() < limit) {
    constexpr size_t kStep = size_t{64} << 10;
    const size_t size = content.size();
    content.resize(std::min(limit, size + kStep));
    const ssize_t n =
        ::read(fd.get(), content.data() + size, content.size() - size);
    if (n < 0)
      return std::nullopt;
    content.resize(size + static_cast<size_t>(n));
    if (n == 0)
      break;
  }
  return content;
}

Result<std::string> read_all(const Fd& fd, size_t limit,
                             const std::string& name) {
  auto content = read_up_to(fd, limit + 1);
  if (!content)
    return fail("cannot read " + name, errno);
  if (content->size() > limit)
    return fail(fmt::format("{} is larger than {} bytes", name, limit));
  return *std::move(content);
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
  const auto give_up = [&](const std::string& what) {
    const int error = errno;
    ::unlink(aside.c_str());
    return fail(what, error);
  };
  while (!content.empty()) {
    const ssize_t n = ::write(fd.get(), content.data(), content.size());
    if (n < 0)
      return give_up("cannot write " + aside);
    content.remove_prefix(static_cast<size_t>(n));
  }
  if (::rename(aside.c_str(), path.c_str()) != 0)
    return give_up("cannot replace " + path);
  return {};
}

}  // namespace preload
