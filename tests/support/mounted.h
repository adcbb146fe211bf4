// SPDX-License-Identifier: Apache-2.0
// A small file system of a test's own (needs root), gone with the test, also
// when that is killed.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>
#include <string>

#include "support/process.h"
#include "support/undo_log.h"

namespace preload {

class Mounted {
 public:
  // On the folder `where`, which is made. `what` are mount(8)'s arguments
  // before it.
  Mounted(const std::string& what, std::string where)
      : where_(std::move(where)) {
    std::filesystem::create_directories(where_);
    undo_.add("umount -l " + where_);
    mount(what);
  }
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;
  ~Mounted() { unmount(); }

  void mount(const std::string& what) const {
    if (!run({"/bin/sh", "-c", "mount " + what + " " + where_}).good())
      throw std::runtime_error("cannot mount " + what);
    std::filesystem::permissions(where_, std::filesystem::perms(0750));
  }
  void unmount() const { shell("umount -l " + where_); }

 private:
  std::string where_;
  UndoLog undo_;
};

}  // namespace preload
