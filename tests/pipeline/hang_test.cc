// SPDX-License-Identifier: Apache-2.0
// Programs that want us to hang when we look at them, and a file system that
// helps them. None of our threads that others wait for may.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "preload/base/sanitizer.h"
#include "support/plugin_test.h"
#include "support/stuck_mount.h"
#include "support/test_program.h"

namespace preload {
namespace {

class Hang : public PluginTest {
 protected:
  void SetUp() override {
    PluginTest::SetUp();
    // A sanitizer's search for leaks at the end waits for all threads.
    ::setenv("ASAN_OPTIONS", "detect_leaks=0", 0);  // NOLINT
    stuck_ = std::make_unique<StuckMount>(test_program("stuck_fs"));
    if (!stuck_->obstacle().empty())
      GTEST_SKIP() << stuck_->obstacle();
  }

  // A process that hangs in an exec; with `then`, it has a child that execs
  // that when it is poked.
  std::unique_ptr<TalkingChild> hanging(
      const std::string& variable, const std::vector<std::string>& then = {}) {
    std::vector<std::string> argv{test_program("stuck_exec"), stuck_->file()};
    argv.insert(argv.end(), then.begin(), then.end());
    auto child = std::make_unique<TalkingChild>(
        argv, std::vector<std::string>{variable});
    EXPECT_TRUE(stuck_->hangs());
    return child;
  }

  void TearDown() override {
    ::unsetenv("ASAN_OPTIONS");  // NOLINT
    PluginTest::TearDown();
  }

  // Ends the input; what is stuck must not hold up the end.
  void expect_quick_end() {
    input_.reset();
    const pid_t plugin = plugin_;
    EXPECT_TRUE(eventually(5, [&] { return has_ended(plugin); }));
  }
  // The same at the end of a test; lets go all who hang, so that they can end.
  void expect_quick_end_and_let_go() {
    expect_quick_end();
    stuck_.reset();
  }

  std::unique_ptr<StuckMount> stuck_;
};

TEST_F(Hang, AListenerDoesNotLookAtTheParent) {
  start_and_wait("capture = auto\naudit_wait = 1s\nmax_alerts = 100000\n");
  if (content_of(dir_ / "state").find("capture: audit") != std::string::npos)
    GTEST_SKIP() << "no process connector here";
  std::vector<std::unique_ptr<TalkingChild>> parents;
  for (int i = 0; i < 8; ++i)
    parents.push_back(hanging(
        "NONE=", {"/usr/bin/env", fmt::format("LD_PRELOAD=/orphan/{}", i),
                  test_program("exit_now")}));
  for (const auto& parent : parents)
    parent->poke();
  run({test_program("storm"), "200", "4", "LD_PRELOAD=/after/", "/bin/true"});
  EXPECT_TRUE(eventually(10, [&] {
    return query(
               "SELECT count(*) FROM first_seen WHERE value LIKE "
               "'/orphan/%'") == "8";
  }));
  EXPECT_TRUE(eventually(10, [&] {
    return query(
               "SELECT count(*) FROM first_seen WHERE value LIKE "
               "'/after/%'") == "200";
  }));
  expect_quick_end_and_let_go();
}

TEST_F(Hang, TheInventoryPassesIt) {
  const auto before = hanging("LD_PRELOAD=/hangs");
  child({"LD_PRELOAD=/runs/before"});
  start_and_wait();
  EXPECT_TRUE(eventually(10, [&] {
    return query("SELECT value FROM first_seen WHERE value = '/runs/before'") ==
           "/runs/before";
  }));
  EXPECT_EQ(log_.with("reading a process in /proc hangs").size(), 1U);
  expect_quick_end_and_let_go();
}

TEST_F(Hang, ALateReadIsGivenUpAndCounted) {
  start_and_wait();
  const auto stuck = hanging("LD_PRELOAD=/hangs");
  AuditExec hangs = test::sample_exec(999);
  hangs.id = child({"LD_PRELOAD=/runs/hanging"}).id;
  hangs.id.serial = 999;
  hangs.pid = stuck->pid();
  hangs.exe = test_program("stuck_exec");
  feed(test::joined(test::event_records(hangs)));
  feed(test::joined(test::event_records(child({"LD_PRELOAD=/runs/beside"}))));
  EXPECT_TRUE(eventually(10, [&] {
    return log_.with("LD_PRELOAD=\"/runs/beside\"").size() == 1;
  }));
  EXPECT_EQ(counter("execs missed_unreadable"), 1);
  expect_quick_end_and_let_go();
}

TEST_F(Hang, ALibraryThatCannotBeLookedUpHoldsUpNoAlertAndNoSuccessor) {
  if (kThreadSanitizer)
    GTEST_SKIP() << "descriptors are shared under this sanitizer";
  start_and_wait();
  feed(test::joined(
      test::event_records(child({"LD_PRELOAD=" + stuck_->other()}))));
  feed(test::joined(test::event_records(child({"LD_PRELOAD=/runs/too"}))));
  EXPECT_TRUE(eventually(
      10, [&] { return log_.with("new preload term").size() == 2; }));
  // A thread cannot even be killed: it is there still, and a successor must
  // not mind.
  const pid_t first = plugin_;
  ::kill(first, SIGKILL);
  EXPECT_TRUE(eventually(5, [&] { return has_ended(first); }));
  start_and_wait();
  feed(test::joined(test::event_records(child({"LD_PRELOAD=/runs/after"}))));
  EXPECT_TRUE(eventually(
      10, [&] { return log_.with("LD_PRELOAD=\"/runs/after\"").size() == 1; }));
  expect_quick_end_and_let_go();
  wait_for(first);
}

}  // namespace
}  // namespace preload
