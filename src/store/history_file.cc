// SPDX-License-Identifier: Apache-2.0
#include "preload/store/history_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <iterator>
#include <string_view>
#include <thread>
#include <utility>

#include "preload/base/text.h"
#include "preload/base/trusted_file.h"
#include "preload/sql.h"

namespace preload {
namespace {

constexpr mode_t kMode = 0640;
constexpr int64_t kLockStep = 50 * kNanosPerMilli;
// A check reads the whole file; for a larger one it would delay the start.
constexpr int64_t kCheckedBytes = int64_t{32} << 20;

Result<Fd> open_or_create(const std::string& path) {
  auto fd = open_trusted(path, O_RDWR);
  if (fd || fd.error().code.value() != ENOENT)
    return fd;
  fd = open_trusted(path, O_RDWR | O_CREAT | O_EXCL, kMode);
  // Whatever the umask: readers are in the file's group.
  if (fd && ::fchmod(fd->get(), kMode) != 0)
    return fail("cannot set the mode of " + path, errno);
  return fd;
}

Status lock_out_others(const Fd& fd, const std::string& path,
                       const Timing& timing) {
  for (int64_t waited = 0; waited <= timing.busy; waited += kLockStep) {
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0)
      return {};
    if (errno != EWOULDBLOCK && errno != EINTR)
      return fail("cannot lock " + path, errno);
    std::this_thread::sleep_for(std::chrono::nanoseconds(kLockStep));
  }
  return fail(path + " is in use by another audisp-preload: stop that first",
              EBUSY);
}

// The size of the file; 0: a database is to be created in it. Refuses the file
// of another program by its header alone.
Result<int64_t> examine(const Fd& fd, const std::string& path) {
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  std::array<char, 100> bytes{};
  const ssize_t n = ::pread(fd.get(), bytes.data(), bytes.size(), 0);
  struct stat status {};
  if (n < 0 || ::fstat(fd.get(), &status) != 0)
    return fail("cannot read " + path, errno);
  if (n == 0)
    return 0;
  const std::string_view header(bytes.data(), bytes.size());
  const auto not_zero = [](char c) { return c != '\0'; };
  if (std::none_of(header.begin(), header.end(), not_zero))
    return tl::unexpected(
        corrupt(path + " begins with zeros, as a crash of the system leaves "
                       "a file"));
  if (!header.starts_with(kMagic))
    return fail(path +
                " is not an SQLite database and was left as it is: move it "
                "away, or set `database` to another path");
  if (header.substr(68, 4) != "PRLD")  // kApplicationId
    return fail(path +
                " is a database of another program and was left as it is: "
                "move it away, or set `database` to another path");
  return status.st_size;
}

Status migrate(Database& database, int64_t version) {
  const std::string& path = database.path();
  for (int64_t next = version; next < schema_version(); ++next) {
    const std::string sql(sql::kMigrations[static_cast<size_t>(next)]);
    const Status done = database.transact([&]() -> Status {
      if (Status migrated = database.execute(sql); !migrated)
        return migrated;
      return database.execute(
          fmt::format("PRAGMA user_version = {}", next + 1));
    });
    if (!done)
      return tl::unexpected(
          Error{done.error().code,
                fmt::format("cannot bring the schema of {} to version {}: {}",
                            path, next + 1, done.error().context)});
  }
  return {};
}

Status prepare_schema(Database& database, int64_t size) {
  const std::string& path = database.path();
  // This also rolls back what was half written, after which the file may be
  // empty.
  const Result<int64_t> pages = database.integer("PRAGMA page_count");
  if (!pages)
    return tl::unexpected(pages.error());
  if (*pages == 0) {
    // By itself and before the write-ahead log, so that after a kill at any
    // moment the file is empty or has our application id.
    if (Status set = database.execute(
            fmt::format("PRAGMA application_id = {}", kApplicationId));
        !set)
      return set;
  }
  const Result<int64_t> version = database.integer("PRAGMA user_version");
  if (!version)
    return tl::unexpected(version.error());
  if (*version > schema_version() || *version < 0)
    return fail(
        fmt::format("{} has schema version {}, this program knows up to {}: "
                    "it was left as it is; install the newer audisp-preload "
                    "again, or move the database away",
                    path, *version, schema_version()));
  if (Status set = database.use_wal(); !set)
    return set;
  if (size > 0 && size <= kCheckedBytes)
    if (Status sound = check_content(database); !sound)
      return sound;
  return migrate(database, *version);
}

// Free: a database may be damaged twice in a second.
std::string aside_name(const std::string& path, int64_t now_us) {
  // 2026-11-24T02:03:04.567Z as 20261124T020304: no colons in a file name.
  std::string stamp;
  for (const char c : iso_time(now_us).substr(0, 19))
    if (c != '-' && c != ':')
      stamp += c;
  const std::string first = path + ".damaged-" + stamp + "Z";
  std::string name = first;
  struct stat there {};
  for (int number = 2; ::lstat(name.c_str(), &there) == 0; ++number)
    name = first + "-" + std::to_string(number);
  return name;
}

}  // namespace

int64_t schema_version() {
  return static_cast<int64_t>(std::size(sql::kMigrations));
}

Status check_content(Database& database) {
  std::string found;
  const auto take = [&](const Cursor& row) { found = row.text(0); };
  if (Status read = database.each_row("PRAGMA quick_check(1)", take); !read)
    return read;
  if (found == "ok")
    return {};
  return tl::unexpected(corrupt(database.path() + ": " + found));
}

Result<HistoryFile> open_history(const std::string& path,
                                 const Timing& timing) {
  // SQLite trusts the files that it keeps beside the database.
  if (Status safe = check_trusted_directory(directory_of(path)); !safe)
    return tl::unexpected(safe.error());
  HistoryFile file;
  Result<Fd> fd = open_or_create(path);
  if (!fd)
    return tl::unexpected(fd.error());
  file.lock = std::move(*fd);
  if (Status locked = lock_out_others(file.lock, path, timing); !locked)
    return tl::unexpected(locked.error());
  const Result<int64_t> size = examine(file.lock, path);
  if (!size)
    return tl::unexpected(size.error());
  auto database = Database::open(path, Database::Access::kReadWrite, timing);
  if (!database)
    return tl::unexpected(database.error());
  file.database = std::move(*database);
  if (Status ready = prepare_schema(*file.database, *size); !ready)
    return tl::unexpected(ready.error());
  return file;
}

bool in_place(const HistoryFile& file, const std::string& path) {
  struct stat there {};
  struct stat ours {};
  return ::lstat(path.c_str(), &there) == 0 &&
         ::fstat(file.lock.get(), &ours) == 0 && there.st_dev == ours.st_dev &&
         there.st_ino == ours.st_ino;
}

Result<std::string> move_damaged(const std::string& path, int64_t wall_us) {
  std::string aside = aside_name(path, wall_us);
  if (std::rename(path.c_str(), aside.c_str()) != 0)
    return fail("cannot move the damaged database " + path + " to " + aside,
                errno);
  for (const char* suffix : {"-wal", "-shm"}) {
    const std::string from = path + suffix;
    // Most often there is none.
    [[maybe_unused]] const int ignored =
        std::rename(from.c_str(), (aside + suffix).c_str());
  }
  return aside;
}

}  // namespace preload
