// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "fake_probe.h"
#include "preload/base/text.h"
#include "preload/doctor/check.h"
#include "preload/store/history_file.h"
#include "preload/store/sqlite.h"
#include "support/events.h"

namespace preload {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kFolder = "/var/lib/audisp-preload";

class CheckHistory : public testing::Test {
 protected:
  std::string line(const std::string& condition) {
    return line_of(fake_.check(), condition);
  }
  [[nodiscard]] std::unique_ptr<Store> store() const {
    auto opened =
        Store::open(fake_.probe.at(FakeProbe::kDatabase), fake_.clock);
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    return std::move(*opened);
  }
  void space(const Space& space) {
    fake_.probe.space = [space](const std::string&) {
      return Result<Space>(space);
    };
  }

  FakeProbe fake_;
};

TEST_F(CheckHistory, WantsADirectoryThatOnlyRootMayChange) {
  fake_.set_mode(kFolder, 02770);
  EXPECT_THAT(line("database directory"),
              AllOf(StartsWith("FAIL"),
                    HasSubstr("chmod go-w " + std::string(kFolder))));
  fake_.set_mode(kFolder, 02755);
  EXPECT_THAT(line("database directory"),
              AllOf(StartsWith("warn"), HasSubstr("chmod 2750")));
  fake_.set_mode(kFolder, 0700);
  EXPECT_THAT(line("database directory"),
              AllOf(StartsWith("warn"), HasSubstr("chmod 2750")));
  fake_.set_mode(kFolder, 02750);
  fake_.write("/etc/group", "adm:x:4711:\n");
  EXPECT_THAT(line("database directory"),
              AllOf(StartsWith("warn"), HasSubstr("chgrp adm")));
  fake_.remove(kFolder);
  EXPECT_THAT(line("database directory"),
              AllOf(StartsWith("FAIL"), HasSubstr("install -d -m 2750")));
}

TEST_F(CheckHistory, TakesThePluginsOwnUserForAnOwner) {
  fake_.probe.root_uid += 1;
  EXPECT_THAT(line("database directory"), StartsWith("ok"));
  EXPECT_THAT(line("database file"), StartsWith("ok"));
  fake_.write("/etc/passwd", "audisp-preload:x:4711:4711::/:\n");
  EXPECT_THAT(line("database directory"), HasSubstr("chown root"));
  EXPECT_THAT(line("database file"), HasSubstr("chown root"));
}

TEST_F(CheckHistory, WantsTheRunningPluginsUserToWrite) {
  fake_.write("/etc/passwd", "audisp-preload:x:4711:4711::/:\n");
  EXPECT_THAT(line("database directory"),
              AllOf(StartsWith("FAIL"), HasSubstr("not writable for"),
                    HasSubstr("chown audisp-preload ")));
  fake_.end_process(FakeProbe::kPlugin);
  EXPECT_THAT(line("database directory"), StartsWith("ok"));
}

TEST_F(CheckHistory, FindsThatTheFileIsGoneWhileThePluginRuns) {
  fake_.remove(FakeProbe::kDatabase);
  EXPECT_THAT(line("database file"),
              AllOf(StartsWith("FAIL"), HasSubstr("restart auditd")));
  fake_.end_process(FakeProbe::kPlugin);
  EXPECT_THAT(line("database file"),
              AllOf(StartsWith("note"), HasSubstr("does not exist yet")));
  EXPECT_THAT(line("database healthy"), StartsWith("skip"));
}

TEST_F(CheckHistory, WarnsBeforeSpaceRunsOut) {
  space({uint64_t{100} << 20, true, false});
  EXPECT_THAT(line("space"), AllOf(StartsWith("warn"), HasSubstr("100 MiB")));
  space({uint64_t{1} << 20, true, false});
  EXPECT_THAT(line("space"), AllOf(StartsWith("FAIL"), HasSubstr("make room")));
  space({uint64_t{1} << 40, false, false});
  EXPECT_THAT(line("space"), AllOf(StartsWith("FAIL"), HasSubstr("inodes")));
}

TEST_F(CheckHistory, FindsDamage) {
  const std::string path = fake_.probe.at(FakeProbe::kDatabase);
  {
    // All of it in the file itself.
    auto database = Database::open(path, Database::Access::kReadWrite);
    ASSERT_TRUE(database.has_value());
    ASSERT_TRUE((*database)->use_wal().has_value());
    ASSERT_TRUE((*database)->checkpoint(true).has_value());
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  constexpr std::streamoff kPage = 4096;
  file.seekp(2 * kPage);
  file << std::string(size_t{3} * kPage, '\x5a');
  file.close();
  EXPECT_THAT(line("database healthy"), StartsWith("FAIL"));
}

TEST_F(CheckHistory, FindsForeignAndNewerDatabases) {
  const std::string path = fake_.probe.at(FakeProbe::kDatabase);
  auto database = Database::open(path, Database::Access::kReadWrite);
  ASSERT_TRUE(database.has_value());
  ASSERT_TRUE((*database)
                  ->execute(fmt::format("PRAGMA user_version = {}",
                                        schema_version() + 1))
                  .has_value());
  EXPECT_THAT(line("database healthy"),
              AllOf(StartsWith("FAIL"), HasSubstr("install the newer")));
  ASSERT_TRUE((*database)->execute("PRAGMA application_id = 1").has_value());
  EXPECT_THAT(line("database healthy"),
              AllOf(StartsWith("FAIL"), HasSubstr("not a database of")));
}

TEST_F(CheckHistory, TellsTodaysCoverage) {
  EXPECT_EQ(line("coverage today"),
            "ok    coverage today (UTC): 100.00 % of 12345 execs: 12345 at "
            "exec, 0 late, 0 unaudited, 0 missed");
  CoverageDelta missed;
  missed.day = fake_.clock.wall_us() / (kDay * kMicrosPerSecond);
  missed.missed = {1, 0, 0, 0};
  ASSERT_TRUE(store()->add_coverage(missed).has_value());
  // Not rounded up to 100.
  EXPECT_THAT(line("coverage today"), StartsWith("ok    coverage today (UTC): "
                                                 "99.99 % of 12346"));
  missed.missed = {1000, 0, 0, 0};
  ASSERT_TRUE(store()->add_coverage(missed).has_value());
  EXPECT_THAT(line("coverage today"),
              AllOf(StartsWith("warn"), HasSubstr("1001 missed")));
  fake_.clock.step_wall_us(kDay * kMicrosPerSecond);
  EXPECT_THAT(line("coverage today"), StartsWith("warn"));
  // Right after its start it cannot have counted anything.
  fake_.started = iso_time(fake_.clock.wall_us() - 59 * kMicrosPerSecond);
  EXPECT_THAT(line("coverage today"), StartsWith("note"));
  fake_.started = iso_time(fake_.clock.wall_us() - 61 * kMicrosPerSecond);
  EXPECT_THAT(line("coverage today"), StartsWith("warn"));
  fake_.end_process(FakeProbe::kPlugin);
  EXPECT_THAT(line("coverage today"), StartsWith("note"));
}

TEST_F(CheckHistory, WarnsOfAlertsThatWaitTooLong) {
  const std::vector<Decision> decisions{decision("/x", Verdict::kNew)};
  const auto history = store();
  ASSERT_TRUE(
      history->set_sinks(std::vector<std::string>{"syslog"}).has_value());
  ASSERT_TRUE(history->record(shared(exec_event("/x")), decisions, {"low", 21})
                  .has_value());
  EXPECT_THAT(line("alerts waiting"), StartsWith("ok    alerts waiting: 1"));
  fake_.clock.advance_us(61 * kMicrosPerSecond);
  EXPECT_THAT(line("alerts waiting"),
              AllOf(StartsWith("warn"), HasSubstr("1 wait for a sink")));
}

}  // namespace
}  // namespace preload
