// SPDX-License-Identifier: Apache-2.0
#include "preload/store/recovery.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "preload/base/text.h"
#include "preload/store/sqlite.h"

namespace preload {
namespace {

// A symbolic link that leads nowhere is there too.
bool is_there(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(
      std::filesystem::symlink_status(path, ignored));
}

// Free: a database may be damaged twice in a second.
std::string aside_name(const std::string& path, int64_t now_us) {
  // 2026-11-24T02:03:04.567Z without what a file name had better not have.
  std::string stamp;
  for (const char c : iso_time(now_us).substr(0, 19))
    if (c != '-' && c != ':')
      stamp += c;
  const std::string first = path + ".damaged-" + stamp + "Z";
  std::string name = first;
  for (int number = 2; is_there(name); ++number)
    name = first + "-" + std::to_string(number);
  return name;
}

}  // namespace

Result<OpenedStore> open_or_recreate(const std::string& path,
                                     const Clock& clock) {
  OpenedStore opened;
  auto store = Store::open(path, clock);
  if (!store && is_corrupt(store.error())) {
    opened.moved_to = aside_name(path, clock.wall_us());
    if (std::rename(path.c_str(), opened.moved_to.c_str()) != 0)
      return fail(
          "cannot move the damaged database " + path + " to " + opened.moved_to,
          errno);
    for (const char* suffix : {"-wal", "-shm"}) {
      const std::string from = path + suffix;
      // Most often there is none.
      [[maybe_unused]] const int ignored =
          std::rename(from.c_str(), (opened.moved_to + suffix).c_str());
    }
    store = Store::open(path, clock);
  }
  if (!store)
    return tl::unexpected(store.error());
  opened.store = std::move(*store);
  return opened;
}

}  // namespace preload
