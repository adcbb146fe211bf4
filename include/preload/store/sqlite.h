// SPDX-License-Identifier: Apache-2.0
// SQLite with owners, bound parameters and errors as values. The only module
// that knows sqlite3.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "preload/base/digest.h"
#include "preload/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace preload {

// Of errors that SQLite gave; the value is its extended result code.
[[nodiscard]] const std::error_category& sqlite_category();
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

// The rows of one run of a statement; the run ends with it. The statement must
// stay where it is.
class Cursor {
 public:
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  Cursor(Cursor&& other) noexcept;
  Cursor& operator=(Cursor&&) = delete;
  ~Cursor();

  // Steps to the first or next row; false after the last.
  [[nodiscard]] Result<bool> next();

  // Columns of the present row, from 0. Text and blobs are valid until next().
  [[nodiscard]] int64_t integer(int column) const;
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] int columns() const;
  [[nodiscard]] std::string_view name(int column) const;

 private:
  friend class Statement;
  Cursor(Database* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}

  Database* database_;       // outlives this
  sqlite3_stmt* statement_;  // the Statement's; reset here
  bool started_ = false;
};

// A prepared statement. It must not outlive its database.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  // Binds ?1, ?2, ... to the arguments: integers, text, Blob, Digest, nullptr
  // and optionals of these; copies them. One run at a time.
  template <class... Arguments>
  [[nodiscard]] Cursor query(const Arguments&... arguments) {
    int index = 0;
    (bind(++index, arguments), ...);
    return {database_, statement_};
  }
  // The same to its end, for a statement whose rows do not matter.
  template <class... Arguments>
  Status run(const Arguments&... arguments) {
    Cursor cursor = query(arguments...);
    while (true) {
      const Result<bool> row = cursor.next();
      if (!row)
        return tl::unexpected(row.error());
      if (!*row)
        return {};
    }
  }

  // Number of a named parameter; nothing when there is none of that name.
  [[nodiscard]] std::optional<int> parameter(const std::string& name) const;
  // A bad bind shows as an error of the run.
  template <class T>
  void bind(int index, const T& value) {
    if constexpr (std::is_same_v<T, std::nullptr_t>)
      bind_null(index);
    else if constexpr (std::is_integral_v<T>)
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
    if (value)
      bind(index, *value);
    else
      bind_null(index);
  }

 private:
  friend class Database;
  Statement(Database* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}
  static std::string_view bytes_of(const Digest& digest);
  void bind_null(int index);
  void bind_integer(int index, int64_t value);
  void bind_text(int index, std::string_view value);
  void bind_blob(int index, std::string_view value);

  Database* database_ = nullptr;  // outlives this
  sqlite3_stmt* statement_ = nullptr;
};

// One connection, for one thread.
class Database {
 public:
  enum class Access { kReadOnly, kReadWrite };

  // An existing file (which may be empty). Waits up to 5 s for locks of
  // others. A closed connection leaves the file as the last commit made it;
  // see use_wal() for a writer's.
  static Result<std::unique_ptr<Database>> open(const std::string& path,
                                                Access access);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  // A writer's settings: a write-ahead log that stays on disk when we leave,
  // so that readers without write permission find it, and that is synced at
  // each commit.
  Status use_wal();

  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  // Statements without parameters.
  Status execute(const std::string& sql);
  // The number that `sql` gives in its first row and column.
  [[nodiscard]] Result<int64_t> integer(std::string_view sql);

  // A transaction costs nothing until its first statement that writes, which
  // takes the write lock. After an error in it every write fails until
  // rollback(): nothing of it can get in by itself.
  Status begin();
  Status commit();
  void rollback();
  [[nodiscard]] bool in_transaction() const { return state_ != State::kNone; }

  [[nodiscard]] int64_t last_insert_id() const;
  // Rows that the last INSERT, UPDATE or DELETE changed.
  [[nodiscard]] int64_t changes() const;

  // Bytes of the write-ahead log that the file does not have yet.
  [[nodiscard]] uint64_t wal_bytes() const;
  // Copies the log into the file as far as no reader is in the way, and never
  // waits for one. `truncate`: and makes the log empty, if none is.
  Status checkpoint(bool truncate);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  friend class Cursor;
  enum class State {
    kNone,
    kArmed,    // begin() was called, nothing written
    kStarted,  // the write lock is ours
    kFailed,   // only rollback() is left
  };

  explicit Database(std::string path) : path_(std::move(path)) {}
  Status before_write();
  // The last error; a transaction is lost with it.
  [[nodiscard]] Error error(int code);
  Status check(int code);

  std::string path_;
  sqlite3* handle_ = nullptr;
  State state_ = State::kNone;
  uint64_t wal_pages_ = 0;
};

// A transaction that is rolled back unless committed. Not for one that is open
// already.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    if (database_.in_transaction())
      database_.rollback();
  }
  Status begin() { return database_.begin(); }
  Status commit() { return database_.commit(); }

 private:
  Database& database_;
};

// Prepares each statement; stops at the first that fails.
Status prepare_all(
    Database& database,
    std::initializer_list<std::pair<Statement*, std::string_view>> list);

}  // namespace preload
