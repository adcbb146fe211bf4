// SPDX-License-Identifier: Apache-2.0
// The tests' own promise: the machine is left as it was found.
#include "support/undo_log.h"

#include <signal.h>
#include <unistd.h>

#include <string>

#include <gtest/gtest.h>

#include "support/process.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

TEST(UndoLogTest, UndoesInReverseOrder) {
  const TempDir dir;
  {
    const UndoLog undo;
    undo.add("echo first >>" + (dir / "done"));
    undo.add("false");
    undo.add("echo second >>" + (dir / "done"));
    EXPECT_EQ(content_of(dir / "done"), "");
  }
  EXPECT_EQ(content_of(dir / "done"), "second\nfirst\n");
}

TEST(UndoLogTest, UndoesAfterTheTestWasKilled) {
  const TempDir dir;
  const pid_t test = ::fork();
  if (test == 0) {
    const UndoLog undo;
    undo.add("echo undone >>" + (dir / "done"));
    ::raise(SIGKILL);
  }
  ASSERT_GT(test, 0);
  wait_for(test);
  EXPECT_TRUE(
      eventually(10, [&] { return content_of(dir / "done") == "undone\n"; }));
}

}  // namespace
}  // namespace preload
