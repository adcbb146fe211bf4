// SPDX-License-Identifier: Apache-2.0
// kill -9 at any moment, hundreds of times, with the test as the auditd that
// starts the plugin again each time: what was committed stays, is delivered,
// and is one alert.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "preload/store/history_reader.h"
#include "support/plugin_test.h"
#include "support/store_helper.h"

namespace preload {
namespace {

using std::chrono::steady_clock;

// The number or seed to use, when one is given.
uint64_t given(const char* variable, uint64_t otherwise) {
  const char* text = ::getenv(variable);  // NOLINT: nobody changes it
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

uint64_t number_of_kills() {
  return given("PRELOAD_KILLS", 30);  // .ci/run: 300
}

class Kill : public PluginTest {
 protected:
  Kill() { watch_own_variable(); }

  // A program with a new value of its own, and its records.
  std::string new_exec() {
    AuditExec exec = test::sample_exec(++serial_);
    const int64_t now_us = SystemClock().wall_us();
    exec.id.sec = now_us / kMicrosPerSecond;
    exec.id.ms = static_cast<uint32_t>(now_us / 1000 % 1000);
    exec.pid =
        spawn({"/bin/sleep", "600"}, {own(fmt::format("/kill/{}", serial_))});
    children_.push_back(exec.pid);
    std::error_code ignored;
    exec.exe = std::filesystem::read_symlink(
        fmt::format("/proc/{}/exe", exec.pid), ignored);
    return test::joined(test::event_records(exec));
  }

  // Load until the moment has come.
  void feed_until(steady_clock::time_point moment) {
    while (steady_clock::now() < moment) {
      const std::string text = new_exec();
      if (::write(input_.get(), text.data(), text.size()) < 0)
        FAIL() << "it has ended by itself: " << content_of(dir_ / "stderr");
    }
  }

  // What the database has committed, as a reader sees it: alert by value.
  void note_committed() {
    const std::string path = dir_ / "db/history.db";
    if (!std::filesystem::exists(path) || std::filesystem::file_size(path) == 0)
      return;
    const auto database = Database::open(path, Database::Access::kReadOnly);
    if (!database || !(*database)->prepare("SELECT 1 FROM recent_alerts"))
      return;  // killed while it was created
    for (const auto& row :
         rows(**database,
              fmt::format("SELECT value, alert_id FROM recent_alerts WHERE "
                          "value LIKE '/kill/%' AND alert_id > {}",
                          committed_.empty() ? 0 : highest_))) {
      committed_.emplace(row[0], row[1]);
      highest_ = std::max(highest_, std::stol(row[1]));
    }
  }

  // Ids that were delivered, by value.
  std::map<std::string, std::set<std::string>> delivered() {
    std::map<std::string, std::set<std::string>> ids;
    for (const std::string& line : log_.with("=\"/kill/")) {
      const size_t value = line.find("/kill/");
      const size_t id = line.find(" alert=") + 7;
      EXPECT_EQ(line.find("stored=no"), std::string::npos) << line;
      ids[line.substr(value, line.find('"', value) - value)].insert(
          line.substr(id, line.find(' ', id) - id));
    }
    return ids;
  }

  std::map<std::string, std::string> committed_;
  long highest_ = 0;
};

TEST_F(Kill, AtAnyMomentLosesNoCommittedAlertAndRaisesNoneTwice) {
  const uint64_t seed = given("PRELOAD_SEED", std::random_device{}());
  std::cout << "PRELOAD_SEED=" << seed << '\n';
  std::mt19937_64 random(seed);
  ::signal(SIGPIPE, SIG_IGN);
  const std::string configuration = "max_alerts = 1000000\ninterval = 1h\n";
  const uint64_t kills = number_of_kills();
  // Of a life while it works; longer after a life in which a loaded machine
  // committed nothing.
  uint64_t longest_us = 120'000;
  for (uint64_t i = 0; i < kills; ++i) {
    start(configuration);
    // A third while it starts, the others while it works.
    const bool starting = i % 3 == 0;
    const auto life =
        std::chrono::microseconds(random() % (starting ? 12'000 : longest_us));
    feed_until(steady_clock::now() + life);
    ASSERT_EQ(::kill(plugin_, SIGKILL), 0);
    const int status = end();
    ASSERT_TRUE(WIFSIGNALED(status))
        << status << " at kill " << i << ": " << content_of(dir_ / "stderr");
    end_children();
    const size_t before = committed_.size();
    note_committed();
    if (committed_.size() > before)
      longest_us = 120'000;
    else if (!starting)
      longest_us = std::min(2 * longest_us, uint64_t{2'000'000});
  }
  EXPECT_GT(committed_.size(), kills);

  start_and_wait(configuration);
  // All that waits in the outbox.
  EXPECT_TRUE(eventually(
      20, [&] { return query("SELECT count(*) FROM pending_alert") == "0"; }));
  EXPECT_EQ(stop(), 0);
  // What it sent last is still on its way through the socket.
  std::map<std::string, std::set<std::string>> ids;
  size_t lost = 0;
  eventually(10, [&] {
    ids = delivered();
    lost = 0;
    for (const auto& [value, id] : committed_) {
      const auto found = ids.find(value);
      if (found == ids.end() || !found->second.contains(id))
        ++lost;
    }
    return lost == 0;
  });
  EXPECT_EQ(lost, 0U) << "of " << committed_.size();
  for (const auto& [value, all] : ids)
    EXPECT_EQ(all.size(), 1U) << value << " has several alerts";
  EXPECT_EQ(query("SELECT count(*) - count(DISTINCT value) FROM "
                  "recent_alerts"),
            "0");
  EXPECT_EQ(query("PRAGMA integrity_check"), "ok");
  EXPECT_EQ(query("PRAGMA foreign_key_check"), "");
  std::cout << kills << " kills, " << serial_ << " execs, " << committed_.size()
            << " alerts seen committed after a kill, " << ids.size()
            << " delivered\n";
}

}  // namespace
}  // namespace preload
