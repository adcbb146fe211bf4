// SPDX-License-Identifier: Apache-2.0
// A listener receives a message for every exec on its CPU and reads the
// environment of the new program before that program runs.
//
// It has two threads on one socket; the kernel gives each message to one that
// waits. A read that comes too late can hang, because the program already runs
// and may block it on purpose (timed_call.h). The other thread then continues.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "preload/base/byte_ring.h"
#include "preload/base/event_fd.h"
#include "preload/base/fd.h"
#include "preload/base/metrics.h"
#include "preload/base/result.h"
#include "preload/base/watchdog.h"
#include "preload/capture/proc_event.h"
#include "preload/capture/snapshot_reader.h"

namespace preload {

// Shared by the listeners and their owner. Outlives the listeners.
struct ListenerShared {
  explicit ListenerShared(Metrics& counters) : metrics(counters) {}

  Metrics& metrics;
  Fd proc;
  // Set by the owner, which keeps each list as long as listeners live: one may
  // be reading with an earlier list.
  std::atomic<const WatchList*> watched{nullptr};
  // Ends the owner's wait. `armed` says that the owner is about to wait:
  // written true by the owner, false by the listener that wakes it, so a batch
  // of execs costs one wake-up.
  EventFd wake;
  std::atomic<bool> armed{false};
};

// Room for two of the largest snapshots.
inline constexpr size_t kRingBytes = 2 * kMaxSnapshot;
// Part of a ring that is reserved for notices without variables: 10,000.
inline constexpr size_t kNoticeRoom = size_t{256} << 10;

// The part of a ring's free space that one exec may use: half of it, so that a
// few execs with megabytes of variables leave room for ordinary ones; and only
// the size of a notice when little is left, so that every exec has a notice.
[[nodiscard]] constexpr size_t ring_share(size_t free) {
  if (free < kNoticeRoom + kOtherSections)
    return std::min(free, kSnapshotHeader);
  return kOtherSections + (free - kNoticeRoom - kOtherSections) / 2;
}

// How a thread is scheduled, best first.
enum class Scheduling { kRealtime, kNice, kNormal };

class ExecListener {
 public:
  // A listener for `cpu`; without one, for none until serve_all_but(). Needs
  // CAP_NET_ADMIN, which is not needed after it.
  static Result<std::unique_ptr<ExecListener>> open(
      ListenerShared& shared, std::optional<unsigned> cpu);
  ExecListener(const ExecListener&) = delete;
  ExecListener& operator=(const ExecListener&) = delete;
  // Waits for its threads; see stop().
  ~ExecListener();

  // Starts its threads, pinned to its CPU if it has one. Asks for SCHED_FIFO at
  // `priority` unless that is 0, else for nice -20. Returns when the threads
  // have all that and wait to be released.
  Status start(int priority);
  // Lets each thread call `confine` (if it is not empty) and then handle execs
  // from `since_ns` (CLOCK_MONOTONIC) on. Returns what `confine` returned, an
  // error of either thread first.
  Status release(std::function<Status()> confine, uint64_t since_ns);
  // Before it is started: serves all CPUs but these from now on.
  Status serve_all_but(std::span<const unsigned> served);
  // Ends its threads. False when one hangs: it keeps running, and the listener
  // must never be destroyed.
  [[nodiscard]] bool stop();

  // What its threads found, one ring each.
  [[nodiscard]] std::span<ByteRing> rings() { return rings_; }
  // The worse of its threads'.
  [[nodiscard]] Scheduling scheduling() const { return scheduling_; }
  // The errno that kept it from a better scheduling; 0 = none.
  [[nodiscard]] int scheduling_error() const { return scheduling_error_; }
  // The CPU that it is pinned to; none = the catch-all.
  [[nodiscard]] std::optional<unsigned> cpu() const { return cpu_; }
  // Pins it again: the kernel resets the affinity of a thread when its last CPU
  // goes offline. Any thread.
  [[nodiscard]] Status pin();
  // Beats with each exec.
  [[nodiscard]] const Pulse& pulse() const { return pulse_; }
  // No exec waits for it. Any thread.
  [[nodiscard]] bool resting() const;

 private:
  static constexpr size_t kThreads = 2;
  struct Worker {
    std::promise<Status> confined;
    std::atomic<bool> ended{false};
    std::thread thread;
  };

  ExecListener(ListenerShared& shared, std::optional<unsigned> cpu,
               Connector connector)
      : shared_(shared), cpu_(cpu), connector_(std::move(connector)) {}

  Status prepare(size_t index, int priority);
  void run(size_t index, int priority, std::promise<Status>& prepared);
  void listen(ByteRing& ring);
  void take(std::span<const std::byte> datagram, SnapshotReader& reader,
            ByteRing& ring);

  ListenerShared& shared_;
  std::optional<unsigned> cpu_;
  Connector connector_;
  std::vector<ByteRing> rings_;  // kThreads
  // Of two beats at the same time one may be lost, but never both.
  Pulse pulse_;
  Scheduling scheduling_ = Scheduling::kRealtime;
  int scheduling_error_ = 0;
  // The gate: written before `released_` and read after it.
  std::function<Status()> confine_;
  uint64_t since_ns_ = 0;
  std::atomic<bool> released_{false};
  // The threads wait in recv(2), one system call less per exec than with
  // poll(2). A signal whose handler does nothing ends the wait.
  std::atomic<bool> stopping_{false};
  std::array<Worker, kThreads> workers_;  // last: they use all of the above
};

}  // namespace preload
