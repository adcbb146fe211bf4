// SPDX-License-Identifier: Apache-2.0
// Audit events that arrive twice: auditd repeats some after it was restarted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "preload/audit/record_scan.h"

namespace preload {

// Fingerprints of recent events, by hash: a newer one may take the place of
// another.
class Replays {
 public:
  // True when it has been seen before.
  bool seen(const SyscallRecord& record) {
    uint64_t print = 0;
    for (const uint64_t part :
         {record.id.serial, static_cast<uint64_t>(record.id.wall_us()),
          static_cast<uint64_t>(record.pid)})
      print = mix(print, part);
    uint64_t& slot = recent_[print % kRecent];
    if (slot == print)
      return true;
    slot = print;
    return false;
  }

 private:
  static constexpr size_t kRecent = size_t{1} << 14;

  static uint64_t mix(uint64_t hash, uint64_t value) {
    hash ^= value + 0x9e3779b97f4a7c15U + (hash << 6) + (hash >> 2);
    hash *= 0xff51afd7ed558ccdU;
    return hash ^ (hash >> 33);
  }

  std::vector<uint64_t> recent_ = std::vector<uint64_t>(kRecent);
};

}  // namespace preload
