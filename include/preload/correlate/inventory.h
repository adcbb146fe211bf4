// SPDX-License-Identifier: Apache-2.0
// The inventory: reads the environment of processes that started before the
// plugin did, whose execs it has not seen.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "preload/base/clock.h"
#include "preload/base/fd.h"
#include "preload/base/watchdog.h"
#include "preload/capture/environ_scanner.h"
#include "preload/correlate/exec_event.h"

namespace preload {

// Calls `take` with an event of origin kInventory for each process that started
// before `before_ticks` (clock ticks since boot; 0 = all) and has a watched
// variable. Ends early when `stop` is set. Returns how many processes were
// read. Takes a few milliseconds per hundred processes; `pulse` beats with
// each. One that hangs is passed over.
size_t take_inventory(const Fd& proc, const WatchList& watched,
                      uint64_t before_ticks, const Clock& clock,
                      const std::atomic<bool>& stop, Pulse& pulse,
                      const std::function<void(ExecEventPtr)>& take);

}  // namespace preload
