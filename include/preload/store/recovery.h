// SPDX-License-Identifier: Apache-2.0
// Goes on without a history that is damaged, and says so.
#pragma once

#include <memory>
#include <string>

#include "preload/base/clock.h"
#include "preload/base/result.h"
#include "preload/store/store.h"

namespace preload {

struct OpenedStore {
  std::unique_ptr<Store> store;
  // Where a damaged database was moved to; empty: there was none.
  std::string moved_to;
};

// Opens the database at `path` as Store::open() does. A damaged one is moved
// aside, with its write-ahead log, to `path`.damaged-YYYYMMDDTHHMMSSZ, where
// `sqlite3 .recover` may still read it (with -2, -3, ... behind when there is
// such a file), and a new one is begun.
[[nodiscard]] Result<OpenedStore> open_or_recreate(const std::string& path,
                                                   const Clock& clock);

}  // namespace preload
