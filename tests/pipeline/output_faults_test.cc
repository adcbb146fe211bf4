// SPDX-License-Identifier: Apache-2.0
// Outputs that hang or fail, and limits of the process: nothing before them
// waits, and what was lost is counted.
#include <dirent.h>
#include <sys/resource.h>

#include "support/plugin_test.h"

namespace preload {
namespace {

class OutputFaults : public PluginTest {
 protected:
  OutputFaults() {
    binary_ = fast_plugin_binary();
    watch_own_variable();
  }

  void feed_values(const std::string& prefix, int count) {
    for (int i = 0; i < count; ++i)
      feed(test::joined(
          test::event_records(child({own(fmt::format("{}{}", prefix, i))}))));
  }
  // The numbers that follow `key` in the lines, in their order.
  static std::vector<long> numbers(const std::vector<std::string>& lines,
                                   const std::string& key) {
    std::vector<long> found;
    for (const std::string& line : lines)
      if (const size_t at = line.find(key); at != std::string::npos)
        found.push_back(std::atol(line.c_str() + at + key.size()));
    return found;
  }
  static void expect_ascending(const std::vector<long>& numbers, size_t count) {
    EXPECT_EQ(numbers.size(), count);
    for (size_t i = 1; i < numbers.size(); ++i)
      EXPECT_LT(numbers[i - 1], numbers[i]) << i;
  }
};

TEST_F(OutputFaults, ASyslogDaemonThatDoesNotReadHoldsUpNothingBeforeIt) {
  start_and_wait("max_alerts = 10000\n");
  log_.hold();
  feed_values("/slow/", 60);
  // Two thousand events more, which nobody waits for either.
  const std::string known =
      test::joined(test::event_records(child({own("/slow/known")})));
  for (int i = 0; i < 2000; ++i)
    feed(known);
  EXPECT_TRUE(eventually(10, [&] {
    return counter("audit_records") >= 2060L * 5;
  })) << counter("audit_records");
  EXPECT_TRUE(eventually(10, [&] {
    return query(
               "SELECT count(*) FROM recent_alerts WHERE value LIKE "
               "'/slow/%'") == "61";
  }));
  EXPECT_NE(query("SELECT count(*) FROM pending_alert"), "0");
  EXPECT_TRUE(eventually(10, [&] { return counter("errors deliver") > 0; }));
  log_.go_on();
  ::kill(plugin_, SIGHUP);  // at once, not when the pause is over
  EXPECT_TRUE(
      eventually(30, [&] { return log_.with("=\"/slow/").size() >= 61; }));
  EXPECT_EQ(stop(), 0);
  expect_ascending(numbers(log_.with("=\"/slow/"), " alert="), 61);
  EXPECT_EQ(query("SELECT count(*) FROM pending_alert"), "0");
}

TEST_F(OutputFaults, AnEcsFileThatCannotBeWrittenKeepsItsOrder) {
  start_and_wait(fmt::format("ecs_file = {}/ecs/events.json\n", dir_.path()));
  feed_values("/ecs/", 20);
  // syslog has them all meanwhile.
  EXPECT_TRUE(
      eventually(10, [&] { return log_.with("=\"/ecs/").size() == 20; }));
  EXPECT_EQ(query("SELECT count(*) FROM recent_alerts WHERE state = "
                  "'pending'"),
            "20");
  EXPECT_EQ(log_.with("cannot deliver alerts to ecs_file").size(), 1U);
  std::filesystem::create_directory(dir_ / "ecs");
  ::kill(plugin_, SIGHUP);
  EXPECT_TRUE(eventually(
      10, [&] { return query("SELECT count(*) FROM pending_alert") == "0"; }));
  EXPECT_EQ(stop(), 0);
  expect_ascending(
      numbers(lines_of(content_of(dir_ / "ecs/events.json")), "\"alert_id\":"),
      21);  // with the summary of the baseline
  EXPECT_EQ(log_.with("=\"/ecs/").size(), 20U);
}

TEST_F(OutputFaults, AnInputThatEndsInTheMiddleOfARecord) {
  start_and_wait();
  feed_values("/whole/", 3);
  const std::string cut =
      test::joined(test::event_records(child({own("/cut")})));
  feed(cut.substr(0, cut.find("exe=") + 8));
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(log_.with("=\"/whole/").size(), 3U);
  EXPECT_TRUE(log_.with("/cut").empty());
  // Whole records of an event that has no end are told at the end.
  end_children();
  start_and_wait();
  const std::string open =
      test::joined(test::event_records(child({own("/open")}), {.eoe = false}));
  feed(open);
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(log_.with("=\"/open").size(), 1U);
  EXPECT_EQ(query("PRAGMA integrity_check"), "ok");
}

TEST_F(OutputFaults, WithoutDescriptorsItGoesOnAndCountsWhatItMisses) {
  start_and_wait();
  feed_values("/before/", 1);
  ASSERT_TRUE(eventually(10, [&] { return !log_.with("/before/").empty(); }));
  rlimit before{};
  ASSERT_EQ(::prlimit(plugin_, RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit none{8, before.rlim_max};
  ASSERT_EQ(::prlimit(plugin_, RLIMIT_NOFILE, &none, nullptr), 0);
  feed_values("/none/", 5);
  EXPECT_TRUE(eventually(10, [&] {
    return query("SELECT count(*) FROM missed_execs") == "5";
  })) << query("SELECT count(*) FROM missed_execs");
  EXPECT_EQ(query("SELECT DISTINCT reason FROM missed_execs"), "unreadable");
  ASSERT_EQ(::prlimit(plugin_, RLIMIT_NOFILE, &before, nullptr), 0);
  feed_values("/again/", 1);
  EXPECT_TRUE(eventually(10, [&] { return !log_.with("/again/").empty(); }));
  EXPECT_EQ(counter("execs missed_unreadable"), 5);
  EXPECT_EQ(stop(), 0);
}

}  // namespace
}  // namespace preload
