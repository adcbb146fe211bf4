// SPDX-License-Identifier: Apache-2.0
// SQLite with owners, bound parameters and errors as values. The only module
// that knows sqlite3.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "preload/base/clock.h"
#include "preload/base/digest.h"
#include "preload/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace preload {

// The content of the file is at fault: repeating will not help, another file
// will.
[[nodiscard]] bool is_corrupt(const Error& error);
// An error that is_corrupt(), for damage that SQLite did not find itself.
[[nodiscard]] Error corrupt(std::string context);

class Database;

// Bytes that are not text.
struct Blob {
  std::string_view bytes;
};

// One run of a statement and its rows. Ends with the cursor.
class Cursor {
 public:
  // Steps to the first or next row; false after the last. A statement that
  // could not be prepared is an error here.
  [[nodiscard]] Result<bool> next();

  // Columns of the present row, from 0. Text and blobs are valid until next().
  [[nodiscard]] int64_t integer(int column) const;
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] int columns() const;

 private:
  friend class Database;
  // It is the database's, and can run again.
  struct Reset {
    void operator()(sqlite3_stmt* statement) const;
  };

  Cursor(Database& database, std::string_view sql);
  // A value that cannot be bound stays NULL, and no column that matters takes
  // NULL: the run fails.
  template <class T>
  void bind(int index, const T& value) {
    if constexpr (std::is_integral_v<T>)
      bind_integer(index, static_cast<int64_t>(value));
    else if constexpr (std::is_same_v<T, Blob>)
      bind_blob(index, value.bytes);
    else if constexpr (std::is_same_v<T, Digest>)
      bind_blob(index, bytes_of(value));
    else
      bind_text(index, value);
  }
  template <class T>
  void bind(int index, const std::optional<T>& value) {
    if (value)  // else NULL
      bind(index, *value);
  }
  static std::string_view bytes_of(const Digest& digest);
  void bind_integer(int index, int64_t value);
  void bind_text(int index, std::string_view value);
  void bind_blob(int index, std::string_view value);

  Database* database_;  // outlives this
  std::unique_ptr<sqlite3_stmt, Reset> statement_;
  std::optional<Error> unprepared_;
  bool started_ = false;
};

// One connection, for one thread.
//
// A statement is prepared when it is first run and kept; it runs once at a
// time. Its ?1, ?2, ... are bound to copies of the arguments: integers, text,
// Blob, Digest and optionals of these.
class Database {
 public:
  enum class Access { kReadOnly, kReadWrite };

  // An existing file (which may be empty). Locks of others are waited for as
  // `timing` says. A closed connection leaves the file as the last commit made
  // it; see use_wal() for a writer's.
  static Result<std::unique_ptr<Database>> open(const std::string& path,
                                                Access access,
                                                const Timing& timing = {});
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  // A writer's settings: a write-ahead log that stays on disk when the
  // connection closes, so that readers without write permission find it, and
  // that is synced at each commit.
  Status use_wal();

  template <class... Arguments>
  [[nodiscard]] Cursor query(std::string_view sql,
                             const Arguments&... arguments) {
    Cursor cursor(*this, sql);
    int index = 0;
    (cursor.bind(++index, arguments), ...);
    return cursor;
  }
  // Calls `take`, void(const Cursor&), with each row.
  template <class Take, class... Arguments>
  Status each_row(std::string_view sql, Take&& take,
                  const Arguments&... arguments) {
    Cursor row = query(sql, arguments...);
    while (true) {
      const Result<bool> more = row.next();
      if (!more)
        return tl::unexpected(more.error());
      if (!*more)
        return {};
      take(std::as_const(row));
    }
  }
  // To its end, for a statement whose rows do not matter.
  template <class... Arguments>
  Status run(std::string_view sql, const Arguments&... arguments) {
    return each_row(
        sql, [](const Cursor&) {}, arguments...);
  }
  // The id of the row that the statement inserts.
  template <class... Arguments>
  [[nodiscard]] Result<int64_t> insert(std::string_view sql,
                                       const Arguments&... arguments) {
    return run(sql, arguments...).map([this] { return last_insert_id(); });
  }
  // The number in the first column of the only row; 0 when there is none.
  template <class... Arguments>
  [[nodiscard]] Result<int64_t> integer(std::string_view sql,
                                        const Arguments&... arguments) {
    int64_t value = 0;
    const auto take = [&](const Cursor& row) { value = row.integer(0); };
    return each_row(sql, take, arguments...).map([&] { return value; });
  }
  // Several statements without parameters.
  Status execute(const std::string& sql);

  // The first statement that writes takes the write lock, not begin(): a batch
  // of known terms writes nothing, so it takes no lock and waits for no other
  // writer. (SQLite's own deferred BEGIN would fail at once, without waiting,
  // where another writer has the lock at a write that follows a read.)
  //
  // After an error in a transaction every write fails until rollback(): nothing
  // of it is committed by itself.
  Status begin();
  Status commit();
  void rollback();
  // Whether a commit waits until it is safe from a power failure, which is the
  // default. Otherwise such a failure can undo the latest commits, as a whole;
  // a crash of the process undoes none. Not within a transaction.
  Status set_durable(bool durable);
  [[nodiscard]] bool in_transaction() const { return state_ != State::kNone; }
  // Runs `body`, which gives a Status or Result, in a transaction that is
  // committed when it succeeds.
  template <class Body>
  std::invoke_result_t<Body> transact(Body&& body) {
    if (Status begun = begin(); !begun)
      return tl::unexpected(begun.error());
    auto result = body();
    if (result)
      if (Status done = commit(); !done)
        result = tl::unexpected(done.error());
    if (!result)
      rollback();
    return result;
  }

  // Rows that the last INSERT, UPDATE or DELETE changed.
  [[nodiscard]] int64_t changes() const;

  // The size of the write-ahead log, which commits copy into the database above
  // 1000 pages (SQLite's default) and which then begins again.
  [[nodiscard]] uint64_t wal_bytes() const;
  // Copies the log into the file as far as no reader prevents it, and never
  // waits for one. `truncate`: and makes the log empty, if none does.
  Status checkpoint(bool truncate);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  friend class Cursor;
  enum class State {
    kNone,
    kBegun,   // nothing was written
    kLocked,  // the write lock is ours
    kFailed,  // only rollback() is left
  };

  explicit Database(std::string path) : path_(std::move(path)) {}
  [[nodiscard]] Result<sqlite3_stmt*> prepared(std::string_view sql);
  Status before_write();
  [[nodiscard]] int64_t last_insert_id() const;
  // The last error; a transaction is lost with it.
  [[nodiscard]] Error error(int code);
  Status check(int code);

  std::string path_;
  int busy_ms_ = 0;
  sqlite3* handle_ = nullptr;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
  State state_ = State::kNone;
  bool durable_ = true;
};

}  // namespace preload
