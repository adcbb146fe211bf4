// SPDX-License-Identifier: Apache-2.0
// Audit events that come again, as auditd sends them after it was restarted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "preload/audit/assembler.h"

namespace preload {

// Fingerprints of recent events, by hash: a newer one may take the place of
// another.
class Replays {
 public:
  // True when it has been seen before.
  bool seen(const ExecRecord& record);

 private:
  static constexpr size_t kRecent = size_t{1} << 14;
  std::vector<uint64_t> recent_ = std::vector<uint64_t>(kRecent);
};

}  // namespace preload
