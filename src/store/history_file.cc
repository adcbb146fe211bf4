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
#include <iterator>
#include <string_view>
#include <thread>
#include <utility>

#include "preload/base/trusted_file.h"
#include "preload/sql.h"

namespace preload {
namespace {

constexpr mode_t kMode = 0640;
constexpr std::chrono::milliseconds kLockStep{50};
constexpr int kLockSteps = 100;
// A check of the whole file reads all of it; of a larger one that would be
// felt at start.
constexpr int64_t kCheckedBytes = int64_t{32} << 20;

Result<Fd> open_or_create(const std::string& path) {
  auto fd = open_trusted(path, O_RDWR);
  if (fd || fd.error().code.value() != ENOENT)
    return fd;
  fd = open_trusted(path, O_RDWR | O_CREAT | O_EXCL, kMode);
  // Whatever the umask: readers are of the file's group.
  if (fd && ::fchmod(fd->get(), kMode) != 0)
    return fail("cannot set the mode of " + path, errno);
  return fd;
}

Status lock_out_others(const Fd& fd, const std::string& path) {
  for (int step = 0; step < kLockSteps; ++step) {
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0)
      return {};
    if (errno != EWOULDBLOCK && errno != EINTR)
      return fail("cannot lock " + path, errno);
    std::this_thread::sleep_for(kLockStep);
  }
  return fail(path + " is in use by another audisp-preload: stop that first",
              EBUSY);
}

// Big-endian, as all of the header.
uint32_t number_at(std::string_view header, size_t offset) {
  uint32_t value = 0;
  for (const char c : header.substr(offset, 4))
    value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

// The size of the file. Refuses what is not ours by its first bytes alone; an
// empty file is a database to be.
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
  if (number_at(header, 68) != kApplicationId)
    return fail(path +
                " is a database of another program and was left as it is: "
                "move it away, or set `database` to another path");
  return status.st_size;
}

Status migrate(Database& database, int64_t version) {
  const std::string& path = database.path();
  for (int64_t next = version; next < schema_version(); ++next) {
    Transaction transaction(database);
    const std::string_view sql = sql::kMigrations[static_cast<size_t>(next)];
    Status done = transaction.begin();
    if (done)
      done = database.execute(std::string(sql));
    if (done)
      done =
          database.execute(fmt::format("PRAGMA user_version = {}", next + 1));
    if (done)
      done = transaction.commit();
    if (!done)
      return tl::unexpected(
          Error{done.error().code,
                fmt::format("cannot bring the schema of {} to version {}: {}",
                            path, next + 1, done.error().context)});
  }
  return {};
}

Status prepare_schema(Database& database, int64_t size, bool& created) {
  const std::string& path = database.path();
  // Undoes what was half written, too: nothing may be left of our file then.
  const Result<int64_t> pages = database.integer("PRAGMA page_count");
  if (!pages)
    return tl::unexpected(pages.error());
  if (*pages == 0) {
    // By itself and before the write-ahead log, so that whenever we are
    // killed the file is empty or says whose it is.
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
  created = *version == 0;
  return migrate(database, *version);
}

}  // namespace

int64_t schema_version() {
  return static_cast<int64_t>(std::size(sql::kMigrations));
}

Status check_content(Database& database) {
  auto statement = database.prepare("PRAGMA quick_check(1)");
  if (!statement)
    return tl::unexpected(statement.error());
  Cursor row = statement->query();
  const Result<bool> got = row.next();
  if (!got)
    return tl::unexpected(got.error());
  if (*got && row.text(0) == "ok")
    return {};
  return tl::unexpected(
      corrupt(database.path() + ": " + std::string(row.text(0))));
}

Result<HistoryFile> open_history(const std::string& path) {
  // SQLite keeps files beside the database, and believes them.
  if (Status safe = check_trusted_directory(directory_of(path)); !safe)
    return tl::unexpected(safe.error());
  HistoryFile file;
  Result<Fd> fd = open_or_create(path);
  if (!fd)
    return tl::unexpected(fd.error());
  file.lock = std::move(*fd);
  if (Status locked = lock_out_others(file.lock, path); !locked)
    return tl::unexpected(locked.error());
  const Result<int64_t> size = examine(file.lock, path);
  if (!size)
    return tl::unexpected(size.error());
  auto database = Database::open(path, Database::Access::kReadWrite);
  if (!database)
    return tl::unexpected(database.error());
  file.database = std::move(*database);
  if (Status ready = prepare_schema(*file.database, *size, file.created);
      !ready)
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

}  // namespace preload
