// SPDX-License-Identifier: Apache-2.0
// The database file: its owner, its format, and its schema.
//
// Of the 100 bytes of an SQLite header (https://sqlite.org/fileformat2.html)
// these are checked before SQLite opens the file, so that the file of another
// program is left unchanged:
//
//   offset  size  what
//        0    16  "SQLite format 3" and a NUL
//       60     4  user_version, big-endian: how many migrations were applied
//       68     4  application_id, big-endian: kApplicationId
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "preload/base/fd.h"
#include "preload/base/result.h"
#include "preload/store/sqlite.h"

namespace preload {

inline constexpr uint32_t kApplicationId = 0x50524c44;  // "PRLD"

// Of the schema that this program writes.
[[nodiscard]] int64_t schema_version();

struct HistoryFile {
  // Excludes other writers (flock), and identifies the file: see in_place().
  // Closed after the database: closing any descriptor of the file would end
  // SQLite's own locks.
  Fd lock;
  std::unique_ptr<Database> database;
};

// Opens the history for its one writer; creates it, mode 0640, when there is
// none, and brings an old schema up to date. Waits up to timing.busy for
// another writer to end. Refuses, untouched: links, files and directories that
// others could change, databases of other programs and of newer versions. Not
// twice at the same time in one process.
[[nodiscard]] Result<HistoryFile> open_history(const std::string& path,
                                               const Timing& timing = {});

// Reads the whole database; the error says what is wrong and is_corrupt().
Status check_content(Database& database);

// True while `path` leads to the file that was opened.
[[nodiscard]] bool in_place(const HistoryFile& file, const std::string& path);

// Renames a damaged database, with its write-ahead log, to a new name beside
// `path`, which it gives; see open_or_recreate().
[[nodiscard]] Result<std::string> move_damaged(const std::string& path,
                                               int64_t wall_us);

}  // namespace preload
