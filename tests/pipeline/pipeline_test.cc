// SPDX-License-Identifier: Apache-2.0
// The whole program, unprivileged.
#include "support/plugin_test.h"

namespace preload {
namespace {

class Pipeline : public PluginTest {
 protected:
  // Its own, since the inventory sees programs of tests that run beside this.
  const std::string value_ = fmt::format("/tmp/{}.so", ::getpid());
  const std::string variable_ = "LD_PRELOAD=" + value_;
};

TEST_F(Pipeline, AlertsOnceForANewValueAndKeepsHistory) {
  start_and_wait();
  const AuditExec first = child({variable_, "HOME=/"});
  const AuditExec again = child({variable_});
  const AuditExec none = child({"HOME=/"});
  const test::Style enriched{.enriched = true};
  feed(test::joined(test::event_records(first, enriched)));
  feed(test::joined(test::event_records(again, enriched)));
  feed(test::joined(test::event_records(none, enriched)));
  ASSERT_TRUE(
      eventually(10, [&] { return !log_.with("new preload term").empty(); }));
  EXPECT_EQ(stop(), 0);
  EXPECT_LT(end_took_.count(), 2);
  const auto alerts = log_.with("new preload term");
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_NE(alerts[0].find(fmt::format(
                "new preload term: LD_PRELOAD=\"{}\" exe=\"{}\" "
                "args=\"/bin/sleep 600\" pid={} ppid=1200 parent=\"{}\" "
                "uid=1000 user=\"bob\" auid=1000 ses=3 tty=pts0 "
                "cwd=\"/home/bob\" severity=low risk_score=21 "
                "technique=T1574.006 audit={} capture=late alert=",
                value_, first.exe, first.pid,
                std::filesystem::read_symlink("/proc/self/exe").string(),
                to_string(first.id))),
            std::string::npos)
      << alerts[0];
  EXPECT_EQ(query("SELECT variable, value, seen_count, first_user, origin FROM "
                  "first_seen WHERE origin = 'exec'"),
            fmt::format("LD_PRELOAD|{}|2|bob|exec", value_));
  EXPECT_EQ(query("SELECT state, capture, pid FROM recent_alerts"),
            fmt::format("sent|late|{}", first.pid));
  EXPECT_EQ(query("SELECT execs, captured_at_exec, captured_late, missed, "
                  "unaudited FROM coverage_by_day"),
            "3|0|3|0|0");
}

TEST_F(Pipeline, AValueIsKnownAfterARestart) {
  start_and_wait();
  feed(test::joined(test::event_records(child({variable_}))));
  EXPECT_EQ(stop(), 0);
  end_children();
  start_and_wait();
  feed(test::joined(test::event_records(child({variable_}))));
  feed(test::joined(test::event_records(child({"LD_PRELOAD=/tmp/y.so"}))));
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(log_.with(value_).size(), 1U);
  EXPECT_EQ(log_.with("/tmp/y.so").size(), 1U);
  EXPECT_EQ(query("SELECT seen_count FROM first_seen WHERE origin = 'exec' "
                  "ORDER BY term_id"),
            "2\n1");
}

TEST_F(Pipeline, MissesAreCountedWithTheirReason) {
  start_and_wait();
  AuditExec gone = child({"LD_PRELOAD=/tmp/gone.so"}, {"/bin/true"});
  gone.exe = "/usr/bin/true";
  wait_for(children_.back());
  children_.pop_back();
  AuditExec other = child({"LD_PRELOAD=/tmp/other.so"});
  other.exe = "/usr/bin/elsewhere";
  feed(test::joined(test::event_records(gone)));
  feed(test::joined(test::event_records(other)));
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(
      query("SELECT reason, executable FROM missed_execs ORDER BY reason"),
      "exited|/usr/bin/true\nreplaced|/usr/bin/elsewhere");
  EXPECT_EQ(query("SELECT execs, missed, percent FROM coverage_by_day"),
            "2|2|0.0");
  EXPECT_TRUE(log_.with("new preload term").empty());
}

TEST_F(Pipeline, NoEnvironmentCanForgeALine) {
  start_and_wait();
  const std::string hostile =
      "/tmp/x\" exe=\"/bin/good\"\nnew preload term: LD_PRELOAD=\"/y\" \x1b[2J"
      "\xff\xc3(\\";
  AuditExec exec = child({"LD_PRELOAD=" + hostile});
  exec.argv = {"a\nb", "\"; DROP TABLE term;--"};
  exec.argc = 2;
  feed(test::joined(test::event_records(exec)));
  ASSERT_TRUE(
      eventually(10, [&] { return !log_.with("new preload term").empty(); }));
  EXPECT_EQ(stop(), 0);
  const auto alerts = log_.with("new preload term");
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0].find_first_of("\n\x1b\xff"), std::string::npos);
  EXPECT_NE(
      alerts[0].find("LD_PRELOAD=\"/tmp/x\\\" exe=\\\"/bin/good\\\"\\x0anew "
                     "preload term: LD_PRELOAD=\\\"/y\\\" "
                     "\\x1b[2J\\xff\\xc3(\\\\\" exe="),
      std::string::npos)
      << alerts[0];
  EXPECT_EQ(
      query("SELECT hex(value_bytes) FROM term WHERE value_bytes NOT NULL"),
      test::upper_hex(hostile));
}

TEST_F(Pipeline, ReloadChangesTheNamesAndABadOneChangesNothing) {
  start_and_wait();
  ASSERT_TRUE(
      eventually(10, [&] { return std::filesystem::exists(dir_ / "state"); }));
  const std::string before = content_of(dir_ / "conf");
  std::ofstream(dir_ / "conf") << before + "capture_env_vars = OTHER\n";
  ::kill(plugin_, SIGHUP);
  ASSERT_TRUE(eventually(
      10, [&] { return !log_.with("configuration reloaded").empty(); }));
  feed(test::joined(test::event_records(child({"OTHER=1", "LD_PRELOAD=/x"}))));
  ASSERT_TRUE(eventually(10, [&] { return !log_.with("OTHER=").empty(); }));
  std::ofstream(dir_ / "conf") << before + "no_such_key = 1\n";
  ::kill(plugin_, SIGHUP);
  ASSERT_TRUE(
      eventually(10, [&] { return !log_.with("reload refused").empty(); }));
  EXPECT_NE(log_.with("reload refused")[0].find("unknown key 'no_such_key'"),
            std::string::npos);
  feed(test::joined(test::event_records(child({"OTHER=2"}))));
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(query("SELECT group_concat(variable || value) FROM first_seen "
                  "WHERE origin = 'exec'"),
            "OTHER1,OTHER2");
}

TEST_F(Pipeline, StateFileOnSignalAndGoneAtTheEnd) {
  start_and_wait();
  ASSERT_TRUE(
      eventually(10, [&] { return std::filesystem::exists(dir_ / "state"); }));
  feed(test::joined(test::event_records(child({variable_}))));
  ASSERT_TRUE(eventually(10, [&] { return !log_.with(value_).empty(); }));
  ::kill(plugin_, SIGUSR1);
  EXPECT_TRUE(eventually(10, [&] {
    return content_of(dir_ / "state").find("execs captured_late: 1\n") !=
           std::string::npos;
  }));
  EXPECT_NE(content_of(dir_ / "state").find(fmt::format("pid: {}\n", plugin_)),
            std::string::npos);
  EXPECT_EQ(stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "state"));
}

TEST_F(Pipeline, TermFromItsParentEndsItAndFromOthersDoesNot) {
  start_and_wait();
  ASSERT_TRUE(
      eventually(10, [&] { return std::filesystem::exists(dir_ / "state"); }));
  shell(fmt::format("kill -TERM {}", plugin_));  // the shell is not its parent
  ASSERT_TRUE(
      eventually(10, [&] { return !log_.with("ignoring SIGTERM").empty(); }));
  feed(test::joined(test::event_records(child({variable_}))));
  ASSERT_TRUE(eventually(10, [&] { return !log_.with(value_).empty(); }));
  ::kill(plugin_, SIGTERM);
  EXPECT_EQ(wait_for(std::exchange(plugin_, 0)), 0);
  EXPECT_EQ(query("SELECT state FROM recent_alerts"), "sent");
}

TEST_F(Pipeline, GarbageIsCountedAndDoesNotStopIt) {
  start_and_wait();
  feed("\n\n\x01\xff garbage\ntype=SYSCALL msg=audit(x): arch=\n" +
       std::string(100'000, 'A') + "\n");
  const std::string event =
      test::joined(test::event_records(child({variable_})));
  feed(event.substr(0, 100));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  feed(event.substr(100));
  ASSERT_TRUE(eventually(10, [&] { return !log_.with(value_).empty(); }));
  ::kill(plugin_, SIGUSR1);
  EXPECT_TRUE(eventually(10, [&] {
    return content_of(dir_ / "state").find("drops record_overlong: 1\n") !=
           std::string::npos;
  })) << content_of(dir_ / "state");
  EXPECT_EQ(stop(), 0);
}

TEST_F(Pipeline, BadConfigurationSaysWhereAndWhat) {
  start("max_alerts = many\n");
  const int status = wait_for(std::exchange(plugin_, 0));
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 3);
  const std::string said = content_of(dir_ / "stderr");
  EXPECT_NE(said.find(":6: max_alerts cannot be 'many'; allowed: a number "
                      "from 1"),
            std::string::npos)
      << said;
}

TEST_F(Pipeline, OptionsAndUsage) {
  EXPECT_TRUE(run({plugin_binary(), "--version"})
                  .output.starts_with("audisp-preload "));
  EXPECT_TRUE(run({plugin_binary(), "--help"}).good());
  EXPECT_EQ(WEXITSTATUS(run({plugin_binary(), "--nonsense"}).status), 2);
}

}  // namespace
}  // namespace preload
