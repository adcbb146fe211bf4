// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/replays.h"

namespace preload {
namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15U + (hash << 6) + (hash >> 2);
  hash *= 0xff51afd7ed558ccdU;
  return hash ^ (hash >> 33);
}

}  // namespace

bool Replays::seen(const ExecRecord& record) {
  uint64_t print = mix(record.id.serial, static_cast<uint64_t>(record.id.sec));
  print = mix(print, record.id.ms);
  print = mix(print, static_cast<uint64_t>(record.pid));
  uint64_t& slot = recent_[print % kRecent];
  if (slot == print)
    return true;
  slot = print;
  return false;
}

}  // namespace preload
