// SPDX-License-Identifier: Apache-2.0
// Programs of parents, which many execs have in common. Each is looked up once
// and known for a moment; execs that come while the look-up is under way wait
// for the same answer, so a parent that hangs is waited for once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "preload/base/clock.h"
#include "preload/capture/exec_snapshot.h"

namespace preload {

// One thread. Look-ups that are under way are bounded by the queue that they
// wait in; of the others there are at most kMaxKnown.
class ParentPrograms {
 public:
  // No pid is used again so soon.
  static constexpr int64_t kKnownNs = 250 * kNanosPerMilli;
  static constexpr size_t kMaxKnown = 1024;

  struct Child {
    int32_t pid = 0;
    uint64_t token = 0;  // of its Exec
    uint64_t start_ticks = 0;
    std::string parent_program;  // the answer; empty when unknown
  };

  // The program of the child's parent if it is known, else nothing.
  [[nodiscard]] std::optional<std::string> find(const ExecSnapshot& child,
                                                int64_t now_ns) const;
  // Has the child wait for its parent's program. True when that is to be looked
  // up: no look-up is under way.
  [[nodiscard]] bool wait(int32_t parent, Child child);
  // The look-up is done: who waited for it. Empty program: it has gone or
  // hangs.
  [[nodiscard]] std::vector<Child> answer(int32_t parent,
                                          const std::string& program,
                                          uint64_t start_ticks, int64_t now_ns);
  // The process runs another program from now on.
  void executed(int32_t pid);

 private:
  struct Parent {
    std::string program;
    uint64_t start_ticks = 0;
    int64_t read_ns = 0;
    bool asked = false;
    bool replaced = false;  // executed() since it was asked
    std::vector<Child> children;
  };
  // A younger process may have got the parent's pid.
  static std::string program_for(const Parent& parent, uint64_t child_start) {
    return parent.start_ticks > child_start ? "" : parent.program;
  }

  std::unordered_map<int32_t, Parent> parents_;
};

}  // namespace preload
