// SPDX-License-Identifier: Apache-2.0
#include "preload/store/sqlite.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include <sqlite3.h>

namespace preload {
namespace {

class SqliteCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "sqlite"; }
  [[nodiscard]] std::string message(int code) const override {
    return fmt::format("SQLite error {}", code);
  }
};

// The value is the extended result code.
const std::error_category& sqlite_category() {
  static const SqliteCategory category;
  return category;
}

int primary(int code) {
  return code & 0xff;
}

// A reader without write permission cannot recover the -shm file, and takes one
// that the writer is changing for one that needs recovery. It tries again.
// https://www.sqlite.org/rescode.html#readonly_recovery
template <class Call>
int retry_recovery(Call&& call) {
  constexpr int kRetries = 100;
  constexpr auto kPause = std::chrono::milliseconds(10);
  int code = call();
  for (int i = 0; code == SQLITE_READONLY_RECOVERY && i < kRetries; ++i) {
    std::this_thread::sleep_for(kPause);
    code = call();
  }
  return code;
}

}  // namespace

bool is_corrupt(const Error& error) {
  if (error.code.category() != sqlite_category())
    return false;
  const int code = primary(error.code.value());
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

Error corrupt(std::string context) {
  return {{SQLITE_CORRUPT, sqlite_category()}, std::move(context)};
}

Cursor::Cursor(Database& database, std::string_view sql)
    : database_(&database) {
  if (auto statement = database.prepared(sql))
    statement_.reset(*statement);
  else
    unprepared_ = std::move(statement.error());
}

void Cursor::Reset::operator()(sqlite3_stmt* statement) const {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
}

Result<bool> Cursor::next() {
  if (unprepared_)
    return tl::unexpected(*unprepared_);
  if (!started_ && sqlite3_stmt_readonly(statement_.get()) == 0) {
    if (const Status ready = database_->before_write(); !ready)
      return tl::unexpected(ready.error());
  }
  started_ = true;
  const int code = retry_recovery([&] {
    const int stepped = sqlite3_step(statement_.get());
    if (stepped == SQLITE_READONLY_RECOVERY)
      sqlite3_reset(statement_.get());
    return stepped;
  });
  if (code == SQLITE_ROW || code == SQLITE_DONE)
    return code == SQLITE_ROW;
  return tl::unexpected(database_->error(code));
}

int64_t Cursor::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Cursor::text(int column) const {
  // For text too: sqlite3_column_text() would only add a NUL.
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const auto size =
      static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column));
  return bytes == nullptr
             ? std::string_view()
             : std::string_view(static_cast<const char*>(bytes), size);
}

bool Cursor::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

int Cursor::columns() const {
  return sqlite3_column_count(statement_.get());
}

std::string_view Cursor::bytes_of(const Digest& digest) {
  const void* bytes = digest.data();
  return {static_cast<const char*>(bytes), digest.size()};
}

void Cursor::bind_integer(int index, int64_t value) {
  sqlite3_bind_int64(statement_.get(), index, value);
}

void Cursor::bind_text(int index, std::string_view value) {
  // An empty view may have no address, which SQLite would take for NULL.
  sqlite3_bind_text64(statement_.get(), index,
                      value.empty() ? "" : value.data(), value.size(),
                      SQLITE_TRANSIENT, SQLITE_UTF8);
}

void Cursor::bind_blob(int index, std::string_view value) {
  sqlite3_bind_blob64(statement_.get(), index,
                      value.empty() ? "" : value.data(), value.size(),
                      SQLITE_TRANSIENT);
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path,
                                                 Access access,
                                                 const Timing& timing) {
  std::unique_ptr<Database> database(new Database(path));
  database->busy_ms_ = static_cast<int>(timing.busy / kNanosPerMilli);
  const int flags = SQLITE_OPEN_NOMUTEX |
                    (access == Access::kReadWrite ? SQLITE_OPEN_READWRITE
                                                  : SQLITE_OPEN_READONLY);
  // Even a handle that did not open has the error, and must be closed.
  const int code =
      sqlite3_open_v2(path.c_str(), &database->handle_, flags, nullptr);
  if (code != SQLITE_OK)
    return tl::unexpected(database->error(code));
  sqlite3* handle = database->handle_;
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, database->busy_ms_);
  constexpr std::array<std::pair<int, int>, 4> kOptions{
      {{SQLITE_DBCONFIG_DEFENSIVE, 1},
       {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
       {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
       // A database that is not ours is left untouched: use_wal() ends this.
       {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1}}};
  for (const auto& [option, value] : kOptions)
    if (const int bad = sqlite3_db_config(handle, option, value, nullptr); bad)
      return tl::unexpected(database->error(bad));
  if (Status set = database->execute("PRAGMA cell_size_check = on;"
                                     "PRAGMA temp_store = memory;"
                                     "PRAGMA cache_size = -4096;");
      !set)
    return tl::unexpected(set.error());
  return database;
}

Database::~Database() {
  for (const auto& [sql, statement] : statements_)
    sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

Status Database::use_wal() {
  int persist = 1;
  if (Status set = check(sqlite3_file_control(
          handle_, "main", SQLITE_FCNTL_PERSIST_WAL, &persist));
      !set)
    return set;
  std::string mode;
  if (Status set = each_row("PRAGMA journal_mode = wal",
                            [&](const Cursor& row) { mode = row.text(0); });
      !set)
    return set;
  if (mode != "wal")
    return fail(path_ +
                ": its file system does not do write-ahead logging "
                "(no shared memory): put the database on a local disk");
  if (Status set = execute("PRAGMA synchronous = full;"
                           "PRAGMA journal_size_limit = 1048576;");
      !set)
    return set;
  return check(
      sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr));
}

Result<sqlite3_stmt*> Database::prepared(std::string_view sql) {
  if (const auto known = statements_.find(sql); known != statements_.end())
    return known->second;
  sqlite3_stmt* statement = nullptr;
  const int code = retry_recovery([&] {
    return sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                              SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  });
  if (code != SQLITE_OK)
    return tl::unexpected(error(code));
  statements_.emplace(sql, statement);
  return statement;
}

Status Database::execute(const std::string& sql) {
  if (state_ != State::kNone)
    if (Status ready = before_write(); !ready)
      return ready;
  return check(retry_recovery([&] {
    return sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  }));
}

Status Database::begin() {
  if (state_ != State::kNone)
    return fail(path_ + ": a transaction is open already");
  state_ = State::kBegun;
  return {};
}

Status Database::set_durable(bool durable) {
  if (durable == durable_)
    return {};
  if (Status set = execute(durable ? "PRAGMA synchronous = full"
                                   : "PRAGMA synchronous = normal");
      !set)
    return set;
  durable_ = durable;
  return {};
}

Status Database::before_write() {
  if (state_ == State::kNone || state_ == State::kLocked)
    return {};
  if (state_ == State::kFailed)
    return fail(path_ + ": the transaction has failed, roll it back");
  if (Status began = check(
          sqlite3_exec(handle_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr));
      !began)
    return began;
  state_ = State::kLocked;
  return {};
}

Status Database::commit() {
  switch (state_) {
    case State::kNone:
      return fail(path_ + ": no transaction is open");
    case State::kBegun:
      break;
    case State::kLocked:
      if (Status done =
              check(sqlite3_exec(handle_, "COMMIT", nullptr, nullptr, nullptr));
          !done)
        return done;
      break;
    case State::kFailed:
      return before_write();
  }
  state_ = State::kNone;
  return {};
}

void Database::rollback() {
  // Some errors roll back by themselves.
  if (sqlite3_get_autocommit(handle_) == 0)
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
  state_ = State::kNone;
}

int64_t Database::last_insert_id() const {
  return sqlite3_last_insert_rowid(handle_);
}

int64_t Database::changes() const {
  return sqlite3_changes(handle_);
}

uint64_t Database::wal_bytes() const {
  std::error_code error;
  const auto size = std::filesystem::file_size(path_ + "-wal", error);
  return error ? 0 : size;
}

Status Database::checkpoint(bool truncate) {
  sqlite3_busy_timeout(handle_, 0);
  const int code = sqlite3_wal_checkpoint_v2(
      handle_, "main",
      truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
      nullptr, nullptr);
  sqlite3_busy_timeout(handle_, busy_ms_);
  if (primary(code) == SQLITE_BUSY || primary(code) == SQLITE_LOCKED)
    return {};
  return check(code);
}

Error Database::error(int code) {
  if (state_ != State::kNone)
    state_ = State::kFailed;
  std::string text = path_ + ": ";
  text += handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_);
  const bool of_system =
      primary(code) == SQLITE_IOERR || primary(code) == SQLITE_CANTOPEN;
  if (of_system && handle_ != nullptr)
    if (const int reason = sqlite3_system_errno(handle_); reason != 0)
      text += fmt::format(" ({})", std::generic_category().message(reason));
  return {{code, sqlite_category()}, std::move(text)};
}

Status Database::check(int code) {
  if (code == SQLITE_OK)
    return {};
  return tl::unexpected(error(code));
}

}  // namespace preload
