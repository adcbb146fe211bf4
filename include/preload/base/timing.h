// SPDX-License-Identifier: Apache-2.0
// Intervals of the running plugin: how often, and how long until the next try.
// One structure, so that tests run the same program with shorter ones.
#pragma once

#include <cstdint>

#include "preload/base/clock.h"

namespace preload {

// Nanoseconds unless the name says otherwise.
struct Timing {
  int64_t coverage = 5 * kNanosPerSecond;     // counts to the store
  int64_t report = 15 * kNanosPerSecond;      // metrics_file
  int64_t flush = 5 * kNanosPerSecond;        // batched counts to disk
  int64_t prune = 60 * kNanosPerSecond;       // deletion of old rows
  int64_t prune_again = kNanosPerSecond;      // while rows are left
  int64_t busy = 5 * kNanosPerSecond;         // lock of another on the database
  int64_t store_retry = 5 * kNanosPerSecond;  // a database that refuses
  int64_t sink_retry = kNanosPerSecond;       // a sink that failed, doubling
  int64_t sink_retry_most = 30 * kNanosPerSecond;
  int64_t preload_file = 10 * kNanosPerSecond;  // look at /etc/ld.so.preload
  int64_t watchdog = kNanosPerSecond;           // look at each stage's pulse
  int64_t watchdog_least_s = 3;                 // least value of `watchdog`
};

}  // namespace preload
