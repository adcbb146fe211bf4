// SPDX-License-Identifier: Apache-2.0
#include "preload/store/history_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include <gtest/gtest.h>

#include "preload/sql.h"
#include "support/process.h"
#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class HistoryFileTest : public testing::Test {
 protected:
  void write(std::string_view content) {
    std::ofstream(path_, std::ios::binary) << content;
    ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
  }
  // Made by hand, by another program.
  void make(const std::string& sql) {
    write("");
    must(must(Database::open(path_, Database::Access::kReadWrite))
             ->execute(sql));
  }
  // Refused with these words in the message, and left as it was.
  void expect_refused(std::string_view words) {
    const std::string before = content_of(path_);
    const auto opened = open_history(path_);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message().find(words), std::string::npos)
        << opened.error().message();
    EXPECT_NE(opened.error().message().find(dir_.path()), std::string::npos);
    EXPECT_EQ(content_of(path_), before);
  }

  TempDir dir_;
  std::string path_ = dir_ / "history.db";
};

constexpr std::string_view kObjects =
    "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";

TEST_F(HistoryFileTest, MigrationsAddUpToTheSchema) {
  const std::string schema = content_of("sql/schema.sql");
  ASSERT_FALSE(schema.empty()) << "run from the top of the tree";
  const HistoryFile file = must(open_history(path_));
  const std::string other = dir_ / "schema.db";
  std::ofstream(other).flush();
  const auto written =
      must(Database::open(other, Database::Access::kReadWrite));
  must(written->execute(schema));
  EXPECT_EQ(rows(*file.database, kObjects), rows(*written, kObjects));
  for (const auto& row : rows(*file.database,
                              "SELECT name, strict FROM pragma_table_list "
                              "WHERE schema = 'main' AND type = 'table' "
                              "AND name NOT LIKE 'sqlite_%'"))
    EXPECT_EQ(row[1], "1") << row[0] << " is not STRICT";
}

// Killed when its first page was written, and the journal that undoes that not
// yet removed. Format: https://www.sqlite.org/fileformat2.html, chapter 3.
TEST_F(HistoryFileTest, KilledAsItBeganItBeginsAgain) {
  make(fmt::format("PRAGMA application_id = {}", kApplicationId));
  std::string journal("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", 8);
  journal += std::string(4, '\0');                    // no page to put back
  journal += "seed" + std::string(4, '\0');           // the file had no pages
  journal += std::string("\0\0\x02\0\0\0\x10\0", 8);  // sector, page size
  journal.resize(512, '\0');
  std::ofstream(path_ + "-journal", std::ios::binary) << journal;
  ASSERT_EQ(::chmod((path_ + "-journal").c_str(), 0640), 0);
  must(open_history(path_));
  EXPECT_EQ(rows(path_, "PRAGMA user_version")[0][0],
            std::to_string(schema_version()));
}

TEST_F(HistoryFileTest, CreatesAFileForItsGroup) {
  const mode_t before = ::umask(077);
  const HistoryFile file = must(open_history(path_));
  ::umask(before);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat status {};
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 07777, 0640U) << suffix;
  }
  EXPECT_EQ(rows(*file.database, "PRAGMA application_id")[0][0],
            std::to_string(kApplicationId));
  EXPECT_EQ(rows(*file.database, "PRAGMA user_version")[0][0],
            std::to_string(schema_version()));
}

TEST_F(HistoryFileTest, TakesAnEmptyFileForANewOne) {
  write("");
  must(open_history(path_));
  EXPECT_EQ(rows(path_, "PRAGMA user_version")[0][0],
            std::to_string(schema_version()));
}

TEST_F(HistoryFileTest, OpensEveryEarlierSchemaWithItsData) {
  for (int64_t version = 0; version < schema_version(); ++version) {
    std::filesystem::remove(path_);
    std::string sql;
    for (int64_t i = 0; i < version; ++i)
      sql += sql::kMigrations[static_cast<size_t>(i)];
    make(sql + "PRAGMA application_id = " + std::to_string(kApplicationId) +
         "; PRAGMA user_version = " + std::to_string(version));
    const HistoryFile file = must(open_history(path_));
    EXPECT_EQ(rows(*file.database, "PRAGMA user_version")[0][0],
              std::to_string(schema_version()));
  }
}

// As 0.1.0 left it: alerts sent, pending, capped, pending.
TEST_F(HistoryFileTest, WhatVersionOneHadPendingStaysPending) {
  std::string sql(sql::kMigrations[0]);
  sql +=
      "INSERT INTO term VALUES (1, randomblob(32), 'LD_PRELOAD', '/x.so', "
      "NULL, NULL, 'alerted', 'exec', 5, 6, 1, 6, '/usr/bin/id', 1000);"
      "INSERT INTO alert_exec VALUES (1, 5, 77, 0, NULL, '/usr/bin/id', 'id', "
      "1000, 1000, 'exec', '{\"pid\":77,\"env\":[{\"name\":\"LD_PRELOAD\","
      "\"value\":\"/x.so\"}]}');"
      "INSERT INTO unaudited_exec VALUES (1, 1, 5, 9, 77, '/usr/bin/id', 'id',"
      " 1000);";
  for (const char* state : {"sent", "pending", "capped", "pending"})
    sql += fmt::format(
        "INSERT INTO alert (kind, state, raised_at, term_id, exec_id, "
        "severity, risk_score) VALUES ('new_term', '{}', 7, 1, 1, 'low', 21);",
        state);
  // The newest was pruned: its id is not used again.
  sql +=
      "INSERT INTO alert (alert_id, kind, state, raised_at, severity, "
      "risk_score) VALUES (9, 'summary', 'sent', 7, 'low', 21);"
      "DELETE FROM alert WHERE alert_id = 9;";
  make(sql + "PRAGMA application_id = " + std::to_string(kApplicationId) +
       "; PRAGMA user_version = 1");
  FakeClock clock;
  const auto store = must(Store::open(path_, clock));
  must(store->set_sinks(kSinks));
  constexpr std::string_view kStates =
      "SELECT state FROM recent_alerts ORDER BY alert_id";
  EXPECT_EQ(rows(path_, kStates),
            (Rows{{"sent"}, {"pending"}, {"capped"}, {"pending"}}));
  EXPECT_EQ(rows(path_, "SELECT pid FROM unaudited_execs"), (Rows{{"77"}}));
  const auto reader = must(OutboxReader::open(path_));
  const int64_t cursor = must(reader->cursors()).at("syslog");
  const auto alerts = must(reader->read(cursor, 10));
  ASSERT_EQ(alerts.size(), 2U);
  EXPECT_EQ(alerts[0].alert_id, 2);
  EXPECT_EQ(alerts[1].alert_id, 4);
  EXPECT_EQ(alerts[1].event->pid, 77);
  take_up_to(*store, 4);
  EXPECT_EQ(rows(path_, kStates),
            (Rows{{"sent"}, {"sent"}, {"capped"}, {"sent"}}));
  EXPECT_EQ(must(store->record_summary("x", kMark)).alert_id, 10);
}

TEST_F(HistoryFileTest, AMigrationThatFailsChangesNothing) {
  make("CREATE TABLE coverage (x); PRAGMA application_id = " +
       std::to_string(kApplicationId));
  const auto opened = open_history(path_);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message().find("table coverage already exists"),
            std::string::npos)
      << opened.error().message();
  EXPECT_EQ(rows(path_, "SELECT count(*) FROM sqlite_schema")[0][0], "1");
  EXPECT_EQ(rows(path_, "PRAGMA user_version")[0][0], "0");
}

TEST_F(HistoryFileTest, RefusesANewerOne) {
  must(open_history(path_));
  must(must(Database::open(path_, Database::Access::kReadWrite))
           ->execute("PRAGMA user_version = 999"));
  expect_refused("schema version 999, this program knows up to");
}

TEST_F(HistoryFileTest, RefusesANewerOneWithALogThatIsNotCopied) {
  { const HistoryFile file = must(open_history(path_)); }
  // As after kill -9: the version is in the log alone.
  std::filesystem::copy(path_, dir_ / "copy.db");
  {
    const auto writer =
        must(Database::open(path_, Database::Access::kReadWrite));
    must(writer->execute("PRAGMA user_version = 999"));
    std::filesystem::copy(path_ + "-wal", dir_ / "copy.db-wal");
  }
  path_ = dir_ / "copy.db";
  ASSERT_GT(std::filesystem::file_size(path_ + "-wal"), 0U);
  const std::string log = content_of(path_ + "-wal");
  expect_refused("schema version 999");
  EXPECT_EQ(content_of(path_ + "-wal"), log);
}

TEST_F(HistoryFileTest, RefusesOtherPrograms) {
  make("CREATE TABLE passwords (p); INSERT INTO passwords VALUES ('x')");
  expect_refused("a database of another program");
  make("PRAGMA application_id = 77");
  expect_refused("a database of another program");
}

TEST_F(HistoryFileTest, RefusesWhatIsNoDatabase) {
  write("root:x:0:0:root:/root:/bin/bash\n");
  expect_refused("is not an SQLite database");
  const auto opened = open_history(path_);
  EXPECT_FALSE(is_corrupt(opened.error()));
}

TEST_F(HistoryFileTest, RefusesLinksAndWhatOthersCouldChange) {
  must(open_history(path_));
  const std::string link = dir_ / "link.db";
  ASSERT_EQ(::symlink(path_.c_str(), link.c_str()), 0);
  const auto followed = open_history(link);
  ASSERT_FALSE(followed);
  EXPECT_NE(followed.error().message().find("symbolic link"),
            std::string::npos);

  ASSERT_EQ(::chmod(path_.c_str(), 0660), 0);
  expect_refused("chmod go-w " + path_);
  ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0770), 0);
  expect_refused("chmod go-w " + dir_.path());
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0700), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path_.c_str(), 12345, 0), 0);
    expect_refused("belongs to uid 12345");
  }
}

TEST_F(HistoryFileTest, NoDirectoryNoDatabase) {
  const auto opened = open_history(dir_ / "nowhere/history.db");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message().find("nowhere"), std::string::npos);
}

TEST_F(HistoryFileTest, SaysWhenAFileIsDamaged) {
  FakeClock clock;
  {
    const auto store = must(Store::open(path_, clock));
    for (int i = 0; i < 500; ++i)
      record(*store, exec_event("/tmp/x" + std::to_string(i), 100 + i),
             Verdict::kNew);
  }
  std::string bytes = content_of(path_);
  ASSERT_GT(bytes.size(), 100'000U);
  for (size_t page = 8; page < bytes.size() / 4096; ++page)
    bytes.replace(page * 4096, 200, 200, '\xa5');
  write(bytes);
  const auto opened = open_history(path_);
  ASSERT_FALSE(opened);
  EXPECT_TRUE(is_corrupt(opened.error())) << opened.error().message();

  write(std::string(8192, '\0'));
  EXPECT_TRUE(is_corrupt(open_history(path_).error()));
}

TEST_F(HistoryFileTest, KnowsWhenItIsGone) {
  const HistoryFile file = must(open_history(path_));
  EXPECT_TRUE(in_place(file, path_));
  std::filesystem::rename(path_, path_ + ".away");
  EXPECT_FALSE(in_place(file, path_));
  write("");
  EXPECT_FALSE(in_place(file, path_));
}

}  // namespace
}  // namespace preload
