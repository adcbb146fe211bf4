// SPDX-License-Identifier: Apache-2.0
// One thread that is told of every exec on its CPU and reads the new program's
// environment before the program runs.
//
// Two of them serve each CPU from one socket; the kernel gives each message to
// one that waits. A read can hang when it comes too late, the program runs
// already and is up to no good (timed_call.h): then the other goes on.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <thread>

#include "preload/base/byte_ring.h"
#include "preload/base/fd.h"
#include "preload/base/metrics.h"
#include "preload/base/result.h"
#include "preload/base/watchdog.h"
#include "preload/capture/snapshot_reader.h"
#include "preload/capture/watch_list.h"

namespace preload {

// What listeners share with whoever owns them. Outlives them.
struct ListenerShared {
  explicit ListenerShared(Metrics& counters) : metrics(counters) {}

  Metrics& metrics;
  Fd proc;
  // Set by the owner; each listener announces the one it is using in its
  // hazard pointer, so that the owner knows when an old list is free.
  std::atomic<const WatchList*> watched{nullptr};
  // An eventfd that ends the owner's wait. `armed` says that the owner is
  // about to wait: written true by the owner, false by the listener that wakes
  // it, so a batch of execs costs one wake-up.
  Fd wake;
  std::atomic<bool> armed{false};
};

// Room for two of the largest snapshots.
inline constexpr size_t kRingBytes = 2 * kMaxSnapshot;
// Of a ring, kept for notices without variables: 10,000 of them.
inline constexpr size_t kNoticeRoom = size_t{256} << 10;

// What one exec may take of the free space of a ring. Half of it, so that a few
// with megabytes of variables leave room for an ordinary one; and no more than
// its notice when little is left, so that each has that.
[[nodiscard]] constexpr size_t ring_share(size_t free) {
  if (free < kNoticeRoom + kOtherSections)
    return std::min(free, kSnapshotHeader);
  return kOtherSections + (free - kNoticeRoom - kOtherSections) / 2;
}

// How the thread is scheduled, best first.
enum class Scheduling { kRealtime, kNice, kNormal };

class ExecListener {
 public:
  // A listener for `cpu`; without one, for all CPUs that are not in `served`.
  // Needs CAP_NET_ADMIN, which is not needed after it.
  static Result<std::unique_ptr<ExecListener>> open(
      ListenerShared& shared, std::optional<unsigned> cpu,
      std::span<const unsigned> served);
  // A second one for the CPU and on the socket of `first`: with two, one that
  // hangs leaves the other.
  static Result<std::unique_ptr<ExecListener>> open_beside(
      const ExecListener& first);
  ExecListener(const ExecListener&) = delete;
  ExecListener& operator=(const ExecListener&) = delete;
  // Waits for its thread; see stop().
  ~ExecListener();

  // Starts its thread, pinned to its CPU if it has one. Asks for SCHED_FIFO at
  // `priority` unless that is 0, else for nice -20. Returns when the thread has
  // all that and waits to be released.
  Status start(int priority);
  // Lets the thread take execs from `since_ns` (CLOCK_MONOTONIC) on, when it
  // has called `confine`, if that is anything. Returns what that gave.
  Status release(std::function<Status()> confine, uint64_t since_ns);
  // Before it is started: serves all CPUs but these from now on.
  Status serve_all_but(std::span<const unsigned> served);
  // Ends its thread. False when that hangs: it is left alone, and the listener
  // must never be destroyed.
  [[nodiscard]] bool stop();

  [[nodiscard]] ByteRing& ring() { return ring_; }
  [[nodiscard]] Scheduling scheduling() const { return scheduling_; }
  // The errno that kept it from a better scheduling; 0 = none.
  [[nodiscard]] int scheduling_error() const { return scheduling_error_; }
  // The CPU that it is pinned to; none = the catch-all.
  [[nodiscard]] std::optional<unsigned> cpu() const { return cpu_; }
  // Pins it again: the kernel takes a thread's CPUs away when the last of them
  // goes offline. Any thread.
  [[nodiscard]] Status pin();
  // It is the first on its socket.
  [[nodiscard]] bool is_first() const { return !beside_; }
  // Of both on one socket: beats with each exec.
  [[nodiscard]] const Pulse& pulse() const { return *pulse_; }
  // No exec waits for them. Any thread.
  [[nodiscard]] bool resting() const;
  // The list that the thread is using just now, or null.
  [[nodiscard]] const WatchList* in_use() const { return hazard_.load(); }

 private:
  ExecListener(ListenerShared& shared, std::optional<unsigned> cpu, Fd socket,
               ByteRing ring)
      : shared_(shared),
        cpu_(cpu),
        socket_(std::move(socket)),
        ring_(std::move(ring)),
        reader_(shared.proc) {}

  Status prepare(int priority);
  void run();
  void take(std::span<const std::byte> datagram);
  const WatchList* acquire_list();

  ListenerShared& shared_;
  std::optional<unsigned> cpu_;
  Fd socket_;
  bool beside_ = false;  // not the first, which ends the socket's subscription
  ByteRing ring_;
  SnapshotReader reader_;
  std::atomic<const WatchList*> hazard_{nullptr};
  // The thread waits in recv(2) alone, a system call less per exec than with
  // poll(2); a signal that does nothing else ends the wait.
  std::atomic<bool> stopping_{false};
  std::atomic<bool> ended_{false};
  // Two that beat at once may lose a beat, but never both.
  std::shared_ptr<Pulse> pulse_;
  Scheduling scheduling_ = Scheduling::kNormal;
  int scheduling_error_ = 0;
  // The gate: `confine_` is written before `released_` and read after it.
  std::function<Status()> confine_;
  std::atomic<bool> released_{false};
  std::future<Status> confined_;
  uint64_t since_ns_ = 0;  // likewise; what is older is not taken
  std::thread thread_;     // last: it uses all of the above
};

}  // namespace preload
