// SPDX-License-Identifier: Apache-2.0
#include "preload/store/recovery.h"

#include <cerrno>
#include <cstdio>
#include <utility>

#include "preload/base/text.h"
#include "preload/store/sqlite.h"

namespace preload {
namespace {

std::string aside_name(const std::string& path, int64_t now_us) {
  // 2026-11-24T02:03:04.567Z without what a file name had better not have.
  std::string stamp;
  for (const char c : iso_time(now_us).substr(0, 19))
    if (c != '-' && c != ':')
      stamp += c;
  return path + ".damaged-" + stamp + "Z";
}

}  // namespace

Result<OpenedStore> open_or_begin_anew(const std::string& path,
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
