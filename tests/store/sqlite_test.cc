// SPDX-License-Identifier: Apache-2.0
#include "preload/store/sqlite.h"

#include <chrono>
#include <fstream>

#include <gtest/gtest.h>

#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class Sqlite : public testing::Test {
 protected:
  std::unique_ptr<Database> open() {
    std::ofstream(path_, std::ios::app).flush();
    return must(Database::open(path_, Database::Access::kReadWrite));
  }

  TempDir dir_;
  std::string path_ = dir_ / "x.db";
};

TEST_F(Sqlite, BindsWhatItIsGiven) {
  const auto database = open();
  must(
      database->execute("CREATE TABLE t (i INT, s TEXT, b BLOB, n TEXT, "
                        "o TEXT, d BLOB) STRICT"));
  const std::string hostile = "'); DROP TABLE t; --\x01\xff";
  must(database->run("INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                     UINT64_MAX, "", Blob{hostile}, std::optional<int>(),
                     std::optional<std::string>("o"), sha256("x")));
  Cursor row = database->query("SELECT *, typeof(s) FROM t");
  ASSERT_TRUE(must(row.next()));
  EXPECT_EQ(static_cast<uint64_t>(row.integer(0)), UINT64_MAX);
  EXPECT_EQ(row.text(1), "");
  EXPECT_EQ(row.text(6), "text") << "an empty text is not NULL";
  EXPECT_EQ(row.text(2), hostile);
  EXPECT_TRUE(row.is_null(3));
  EXPECT_EQ(row.text(4), "o");
  EXPECT_EQ(row.text(5).size(), 32U);
  EXPECT_FALSE(must(row.next()));
}

TEST_F(Sqlite, ErrorsNameTheFileAndTheReason) {
  const auto database = open();
  const auto bad = database->run("SELECT * FROM nowhere");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message(),
            path_ + ": no such table: nowhere: SQLite error 1");
  EXPECT_FALSE(is_corrupt(bad.error()));

  must(database->execute("CREATE TABLE t (i INTEGER NOT NULL) STRICT"));
  constexpr std::string_view kAdd = "INSERT INTO t VALUES (?1)";
  const Status refused = database->run(kAdd, std::optional<int>());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code.value(), 1299) << "the extended code";
  EXPECT_TRUE(database->run(kAdd, 1)) << "usable again";
}

TEST_F(Sqlite, ATransactionTakesTheLockWithItsFirstWrite) {
  const auto one = open();
  must(one->execute("CREATE TABLE t (i INT) STRICT"));
  const auto two = open();
  must(one->begin());
  must(two->run("INSERT INTO t VALUES (2)"));  // nobody has the lock
  must(one->run("INSERT INTO t VALUES (1)"));
  must(one->commit());
  EXPECT_EQ(rows(path_, "SELECT count(*) FROM t")[0][0], "2");
}

TEST_F(Sqlite, NothingOfAFailedTransactionGetsIn) {
  const auto database = open();
  must(database->execute("CREATE TABLE t (i INTEGER UNIQUE NOT NULL) STRICT"));
  const auto add = [&](int i) {
    return database->run("INSERT INTO t VALUES (?1)", i);
  };
  must(database->begin());
  must(add(1));
  ASSERT_FALSE(add(1));
  EXPECT_FALSE(add(2)) << "after an error all writes fail";
  EXPECT_FALSE(database->commit());
  EXPECT_TRUE(database->in_transaction());
  database->rollback();
  EXPECT_EQ(rows(path_, "SELECT count(*) FROM t")[0][0], "0");
  must(database->begin());
  must(add(3));
  must(database->commit());
  EXPECT_EQ(rows(path_, "SELECT i FROM t")[0][0], "3");
}

TEST_F(Sqlite, TransactCommitsOnSuccessAndRollsBackOnFailure) {
  const auto database = open();
  must(database->execute("CREATE TABLE t (i INT) STRICT"));
  const auto insert = [&] {
    return database->insert("INSERT INTO t VALUES (1)");
  };
  EXPECT_EQ(must(database->transact(insert)), 1);
  const Status refused = database->transact([&]() -> Status {
    must(insert());
    return fail("refused");
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "refused");
  EXPECT_FALSE(database->in_transaction());
  EXPECT_EQ(rows(path_, "SELECT count(*) FROM t")[0][0], "1");
}

TEST_F(Sqlite, AnotherWritersLockIsWaitedForAsLongAsTimingSays) {
  const auto one = open();
  must(one->execute("CREATE TABLE t (i INT) STRICT; BEGIN IMMEDIATE"));
  Timing timing;
  timing.busy = 50 * kNanosPerMilli;
  const auto two =
      must(Database::open(path_, Database::Access::kReadWrite, timing));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(two->run("INSERT INTO t VALUES (2)"));
  const auto waited = std::chrono::steady_clock::now() - start;
  EXPECT_GE(waited, std::chrono::milliseconds(40));
  EXPECT_LT(waited, std::chrono::seconds(3));
}

TEST_F(Sqlite, ReadersFindTheLogAfterAWriterHasLeft) {
  {
    const auto database = open();
    must(database->use_wal());
    must(database->execute("CREATE TABLE t (i INT) STRICT"));
    EXPECT_EQ(rows(*database, "PRAGMA synchronous")[0][0], "2");
    EXPECT_EQ(rows(*database, "PRAGMA foreign_keys")[0][0], "1");
    EXPECT_EQ(rows(*database, "PRAGMA trusted_schema")[0][0], "0");
    EXPECT_EQ(rows(*database, "PRAGMA cell_size_check")[0][0], "1");
  }
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), 0U);
  EXPECT_TRUE(std::filesystem::exists(path_ + "-shm"));
}

TEST_F(Sqlite, CommitsWaitForTheDiskUnlessToldOtherwise) {
  const auto database = open();
  must(database->use_wal());
  must(database->set_durable(false));
  EXPECT_EQ(rows(*database, "PRAGMA synchronous")[0][0], "1");
  must(database->execute("CREATE TABLE t (i INT) STRICT"));
  must(database->begin());
  must(database->run("INSERT INTO t VALUES (1)"));
  EXPECT_FALSE(database->set_durable(true));
  database->rollback();
  must(database->set_durable(true));
  EXPECT_EQ(rows(*database, "PRAGMA synchronous")[0][0], "2");
}

TEST_F(Sqlite, AReaderOnlyPutsACheckpointOff) {
  const auto database = open();
  must(database->use_wal());
  must(database->execute("CREATE TABLE t (s TEXT) STRICT"));
  const auto reader = must(Database::open(path_, Database::Access::kReadOnly));
  must(reader->begin());
  Cursor held = reader->query("SELECT count(*) FROM t");
  ASSERT_TRUE(must(held.next()));  // a snapshot, until the cursor ends

  for (int i = 0; i < 30; ++i) {
    must(database->begin());
    for (int j = 0; j < 100; ++j)
      must(database->run("INSERT INTO t VALUES (?1)", std::string(5000, 'x')));
    must(database->commit());
  }
  const uint64_t before = database->wal_bytes();
  EXPECT_GT(before, uint64_t{12} << 20);
  const auto start = std::chrono::steady_clock::now();
  must(database->checkpoint(true));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_GT(database->wal_bytes(), 0U);
  { const Cursor ended = std::move(held); }
  must(database->checkpoint(true));
  EXPECT_EQ(database->wal_bytes(), 0U);
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), 0U);
}

}  // namespace
}  // namespace preload
