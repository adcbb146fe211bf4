// SPDX-License-Identifier: Apache-2.0
#include "preload/sandbox/file_ownership.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "preload/base/text.h"
#include "preload/base/trusted_file.h"
#include "preload/procfs/process_dir.h"

namespace preload {
namespace {

constexpr uid_t kRoot = 0;
constexpr gid_t kSameGroup = static_cast<gid_t>(-1);
constexpr mode_t kStateDirectoryMode = 0755;

std::vector<std::string> names_in(const Fd& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(own_fd_path(directory), error),
       end;
       !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename());
  return names;
}

Status chown_to(const Identity& user, const Fd& file, const std::string& path) {
  if (::fchown(file.get(), user.uid, kSameGroup) != 0)
    return fail(
        fmt::format("cannot change the owner of {} to {}", path, user.name),
        errno);
  return {};
}

// Of a regular file that root owns and that has this one name.
Status chown_file(const Fd& file, const std::string& path,
                  const Identity& user) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0)
    return fail("cannot examine " + path, errno);
  if (!S_ISREG(status.st_mode) || status.st_uid != kRoot || user.uid == kRoot)
    return {};
  const std::array<uid_t, 1> owners{kRoot};
  if (const auto flaw = find_flaw(path, status, owners))
    return fail(flaw->what + ": " + flaw->remedy);
  if (status.st_nlink != 1)
    return fail(fmt::format(
        "{0} has {1} names (hard links), so its owner is not changed to {2}: "
        "find the other names, then replace it by a copy",
        path, status.st_nlink, user.name));
  return chown_to(user, file, path);
}

// Of a directory in which every name begins with that of the file `path`, and
// of the files in it. An error if the user could not write there afterwards.
Status chown_directory_of(const std::string& path, const Identity& user) {
  const std::string where = directory_of(path);
  const std::string_view prefix = basename_of(path);
  const Fd directory(::open(where.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!directory || ::fstat(directory.get(), &status) != 0)
    return fail("cannot use the directory " + where, errno);
  const std::array<uid_t, 2> owners{kRoot, user.uid};
  if (const auto flaw = find_flaw(where, status, owners))
    return fail(flaw->what + ": " + flaw->remedy);
  if (user.uid == kRoot)
    return {};
  const auto names = names_in(directory);
  for (const std::string& name : names)
    if (status.st_uid == kRoot && !name.starts_with(prefix))
      return fail(fmt::format(
          "{0} belongs to root and holds more than {1} ({2}), so its owner is "
          "not changed to {3}, who cannot write there: put {1} into a "
          "directory of its own, made by install -d -m 2750 -o {3} -g adm DIR",
          where, prefix, escaped(name), user.name));
  if (status.st_uid == kRoot)
    if (Status changed = chown_to(user, directory, where); !changed)
      return changed;
  for (const std::string& name : names) {
    if (!name.starts_with(prefix))
      continue;
    const Fd file(
        ::openat(directory.get(), name.c_str(),
                 O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (!file)
      continue;  // such as a link: opening it later reports it
    if (Status changed = chown_file(file, where + "/" + name, user); !changed)
      return changed;
  }
  return {};
}

}  // namespace

Status transfer_ownership(const Config& config, const Identity& user) {
  const std::string run = directory_of(config.state_file);
  // /run is empty after a boot. The umask does not apply.
  if (::mkdir(run.c_str(), kStateDirectoryMode) == 0)
    ::chmod(run.c_str(), kStateDirectoryMode);
  // Writing the state file and the ECS file later reports their errors.
  [[maybe_unused]] Status ignored = chown_directory_of(config.state_file, user);
  if (config.ecs_file != "off")
    if (const auto file =
            open_trusted(config.ecs_file, O_RDONLY | O_CREAT, 0640))
      ignored = chown_file(*file, config.ecs_file, user);
  return chown_directory_of(config.database, user);
}

}  // namespace preload
