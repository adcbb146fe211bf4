// SPDX-License-Identifier: Apache-2.0
// The database refuses, breaks, or is taken away under the running plugin:
// alerts go on, and what can be kept is.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <set>

#include "preload/base/sanitizer.h"
#include "preload/store/sqlite.h"
#include "support/mounted.h"
#include "support/plugin_test.h"
#include "support/store_helper.h"

namespace preload {
namespace {

constexpr int kNotStarted = 4;  // EXIT STATUS in the manual

class DatabaseFaults : public PluginTest {
 protected:
  DatabaseFaults() {
    binary_ = fast_plugin_binary();
    watch_own_variable();
  }

  [[nodiscard]] std::string database() const { return dir_ / "db/history.db"; }

  void feed_value(const std::string& value) {
    feed(test::joined(test::event_records(child({own(value)}))));
  }
  void expect_alert(const std::string& value) {
    feed_value(value);
    EXPECT_TRUE(eventually(15, [&] { return !log_.with(value).empty(); }))
        << value << '\n'
        << account();
  }
  // Alerts `count` new values which cannot be stored, and sees that they are
  // told so once each, and the trouble once in all.
  void expect_unstored(const std::string& prefix, int count) {
    for (int i = 0; i < count; ++i)
      feed_value(fmt::format("{}{}{}", prefix, i, std::string(4000, '.')));
    EXPECT_TRUE(eventually(20,
                           [&] {
                             return log_.with("=\"" + prefix).size() ==
                                    static_cast<size_t>(count);
                           }))
        << log_.with("=\"" + prefix).size() << account();
    for (const std::string& line : log_.with("=\"" + prefix))
      EXPECT_NE(line.find(" stored=no"), std::string::npos) << line;
    EXPECT_EQ(log_.with("cannot write the history").size(), 1U);
    EXPECT_EQ(counter("alerts not_stored"), count);
    EXPECT_GE(counter("queue_entries held"), count);
    EXPECT_GT(counter("errors store"), 0);
    // Tries that failed are neither counted nor charged to the user.
    EXPECT_EQ(counter("alerts capped"), 0);
    EXPECT_EQ(counter("matched_execs"), count + 1);
  }
  // What was held is stored, and nothing is told a second time.
  void expect_stored_later(const std::string& prefix, int count) {
    EXPECT_TRUE(eventually(20, [&] {
      return query(fmt::format("SELECT count(*) FROM first_seen WHERE value "
                               "LIKE '{}%'",
                               prefix)) == std::to_string(count);
    }));
    EXPECT_EQ(counter("queue_entries held"), 0);
    EXPECT_EQ(log_.with("the history is written again").size(), 1U);
    EXPECT_EQ(query("SELECT count(*) FROM pending_alert"), "0");
    EXPECT_EQ(log_.with("=\"" + prefix).size(), static_cast<size_t>(count));
  }
  void expect_refused(const std::string& words) {
    const std::string before = content_of(database());
    start();
    const int status = end();
    ASSERT_TRUE(WIFEXITED(status)) << status;
    EXPECT_EQ(WEXITSTATUS(status), kNotStarted);
    EXPECT_NE(content_of(dir_ / "stderr").find(words), std::string::npos)
        << content_of(dir_ / "stderr");
    EXPECT_EQ(content_of(database()), before);
  }
  [[nodiscard]] size_t damaged_files() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir_ / "db"))
      if (entry.path().string().find(".damaged-") != std::string::npos &&
          entry.path().extension().string().find("wal") == std::string::npos &&
          entry.path().string().find("-shm") == std::string::npos)
        ++count;
    return count;
  }
};

TEST_F(DatabaseFaults, AFullDiskStoresLaterWhatItCouldNotTake) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "needs root, to mount a small file system";
  const Mounted disk("-t tmpfs -o size=700k none", dir_ / "db");
  start_and_wait();
  expect_alert("/before");
  // Of the remaining space not a byte is left, nor of the log's.
  ASSERT_TRUE(eventually(
      10, [&] { return query("SELECT count(*) FROM pending_alert") == "0"; }));
  must(must(Database::open(database(), Database::Access::kReadWrite))
           ->execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  const std::string filler = dir_ / "db/filler";
  {
    std::ofstream file(filler, std::ios::binary);
    const std::string block(1024, 'x');
    while (file << block << std::flush) {
    }
  }
  expect_unstored("/full/", 30);
  const std::string memory =
      shell(fmt::format("sed -n 's/^VmRSS: *//p' /proc/{}/status", plugin_));
  if (!kSanitizer) {
    EXPECT_LT(std::stol(memory), 32 * 1024) << memory;
  }
  std::filesystem::remove(filler);
  expect_stored_later("/full/", 30);
  expect_alert("/full/after");
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(query("PRAGMA integrity_check"), "ok");
}

TEST_F(DatabaseFaults, AnotherWritersLockIsWaitedForWithinABound) {
  start_and_wait();
  expect_alert("/lock/before");
  auto other = must(Database::open(database(), Database::Access::kReadWrite));
  must(other->execute("BEGIN IMMEDIATE"));
  expect_unstored("/locked/", 3);
  must(other->execute("ROLLBACK"));
  other.reset();
  expect_stored_later("/locked/", 3);
  EXPECT_EQ(stop(), 0);
}

// A file system that turns read-only by itself, as ext4 does at an error, and
// one whose device is gone.
TEST_F(DatabaseFaults, AFileSystemThatTurnsReadOnlyOrFails) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "needs root, to mount a small file system";
  const std::string image = dir_ / "image";
  const std::string made = shell(fmt::format(
      "truncate -s 16M {0} && mkfs.ext4 -q -b 1024 -O ^has_journal {0} && "
      "losetup -f --show {0}",
      image));
  if (!made.starts_with("/dev/"))
    GTEST_SKIP() << "no loop device or no ext4 here: " << made;
  const std::string what = "-t ext4 -o errors=remount-ro " + made;
  const Mounted disk(what, dir_ / "db");
  shell("losetup -d " + made);  // with the last mount
  const std::string trigger =
      fmt::format("/sys/fs/ext4/{}/trigger_fs_error", made.substr(5));
  if (!std::filesystem::exists(trigger))
    GTEST_SKIP() << "this kernel's ext4 has no errors to order";
  start_and_wait();
  expect_alert("/before");
  std::ofstream(trigger) << "test\n";
  expect_unstored("/ro/", 5);
  EXPECT_EQ(stop(), 0);
  // What was held goes with the process, and it says so.
  EXPECT_TRUE(eventually(
      10, [&] { return log_.with("could not be stored").size() == 1; }));
}

TEST_F(DatabaseFaults, TakenAwayOrReplacedItIsBegunAnew) {
  start_and_wait();
  expect_alert("/away/before");
  // What runs for long is the new one's baseline.
  end_children();
  std::filesystem::remove(database());
  EXPECT_TRUE(eventually(15, [&] {
    return !log_.with("history lost: the database was deleted or replaced")
                .empty();
  }));
  expect_alert("/away/deleted");
  end_children();
  // Another file in its place.
  std::ofstream(dir_ / "db/other").close();
  std::filesystem::permissions(dir_ / "db/other", std::filesystem::perms(0640));
  for (const char* suffix : {"-wal", "-shm"})
    std::filesystem::remove(database() + suffix);
  std::filesystem::rename(dir_ / "db/other", database());
  EXPECT_TRUE(eventually(15, [&] {
    return log_.with("history lost: the database was deleted or replaced")
               .size() == 2;
  }));
  expect_alert("/away/replaced");
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(query("SELECT value FROM first_seen WHERE value LIKE '/away/%'"),
            "/away/replaced");
}

TEST_F(DatabaseFaults, DamagedItIsMovedAsideAndTheLossIsAnAlert) {
  start_and_wait();
  for (int i = 0; i < 20; ++i)
    feed_value(fmt::format("/damage/{}", i));
  EXPECT_TRUE(
      eventually(10, [&] { return log_.with("=\"/damage/").size() == 20; }));
  EXPECT_EQ(stop(), 0);
  end_children();  // or the inventory would find them
  {
    std::fstream file(database(),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(20'000, '\xa5');
  }
  start_and_wait();
  EXPECT_TRUE(eventually(10, [&] {
    return !log_.with("history lost: the database was damaged and is now")
                .empty();
  }));
  EXPECT_EQ(damaged_files(), 1U);
  expect_alert("/damage/new");
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(query("SELECT value FROM first_seen WHERE value LIKE '/damage/%'"),
            "/damage/new");
}

TEST_F(DatabaseFaults, DamagedWhileInUseItIsMovedAsideToo) {
  start_and_wait("retention = 1d\n");
  expect_alert("/in-use/before");
  // SQLite believes its cache until another writer has been there.
  {
    auto other = must(Database::open(database(), Database::Access::kReadWrite));
    must(other->execute("UPDATE meta SET value = value"));
    must(other->execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  }
  const int fd = ::open(database().c_str(), O_WRONLY | O_CLOEXEC);
  const auto size = std::filesystem::file_size(database());
  const std::string garbage(size - 4096, '\xa5');
  ASSERT_EQ(::pwrite(fd, garbage.data(), garbage.size(), 4096),
            static_cast<ssize_t>(garbage.size()));
  ::close(fd);
  expect_alert("/in-use/after");
  EXPECT_TRUE(eventually(10, [&] {
    return !log_.with("history lost: the database was damaged").empty();
  }));
  EXPECT_EQ(damaged_files(), 1U);
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(query("SELECT count(*) FROM first_seen WHERE value = "
                  "'/in-use/after'"),
            "1");
}

TEST_F(DatabaseFaults, ForeignOrNewerItIsRefusedAndLeftAlone) {
  std::filesystem::create_directories(dir_ / "db");
  shell("sqlite3 " + database() + " 'CREATE TABLE theirs (x)'");
  std::filesystem::permissions(database(), std::filesystem::perms(0640));
  expect_refused("is a database of another program");
  std::ofstream(database()) << "not a database at all, but a letter";
  expect_refused("is not an SQLite database");
  std::filesystem::remove(database());
  start_and_wait();
  EXPECT_EQ(stop(), 0);
  shell("sqlite3 " + database() + " 'PRAGMA user_version = 9999'");
  shell("sqlite3 " + database() + " 'PRAGMA wal_checkpoint(TRUNCATE)'");
  expect_refused("has schema version 9999");
}

}  // namespace
}  // namespace preload
