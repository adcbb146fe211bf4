// SPDX-License-Identifier: Apache-2.0
// What a test has changed on the machine and how to put it back, kept by a
// process of its own: the machine is left as it was found even when the test
// is interrupted or killed.
#pragma once

#include <sys/types.h>

#include <string>

namespace preload {

class UndoLog {
 public:
  UndoLog();
  UndoLog(const UndoLog&) = delete;
  UndoLog& operator=(const UndoLog&) = delete;
  // Puts everything back and waits for that.
  ~UndoLog();

  // A command of the shell that undoes what is done next. Commands run in the
  // reverse order of their coming.
  void add(const std::string& command) const;

 private:
  int write_end_ = -1;
  pid_t keeper_ = -1;
};

}  // namespace preload
