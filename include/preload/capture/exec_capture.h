// SPDX-License-Identifier: Apache-2.0
// All listeners of the machine, and the ladder of capture modes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "preload/base/config.h"
#include "preload/base/metrics.h"
#include "preload/base/result.h"
#include "preload/capture/exec_listener.h"
#include "preload/capture/exec_snapshot.h"
#include "preload/capture/snapshot_format.h"

namespace preload {

// The rungs, with the share of programs that exit at once which each was
// measured to take; README has the table.
enum class CaptureMode : uint8_t {
  kAudit = 0,     // no connector, read when the audit record comes: 36-82 %
  kNice = 1,      // listeners at nice -20 (or worse): 85-98 %
  kRealtime = 2,  // every listener pinned, SCHED_FIFO: 100 %
};
[[nodiscard]] std::string_view to_string(CaptureMode mode);

class ExecCapture {
 public:
  // Climbs as high as the machine allows and `choice` asks for, in three steps;
  // what kept it from the next rung is in reason().
  //
  // First what needs root: the sockets. Starts no thread. Only `capture =
  // connector` can fail, here or in start().
  static Result<std::unique_ptr<ExecCapture>> open(CaptureChoice choice,
                                                   Metrics& metrics);
  // Then the listeners' threads, with their scheduling. They read nothing yet.
  Status start(int realtime_priority, std::span<const std::string> watched);
  // Then they begin. Each calls `confine` first, which may give up what it
  // does not need any more.
  Status release(const std::function<Status()>& confine = {});
  ExecCapture(const ExecCapture&) = delete;
  ExecCapture& operator=(const ExecCapture&) = delete;
  ~ExecCapture();

  [[nodiscard]] CaptureMode mode() const { return mode_; }
  // Why not a better rung and what to do about it; empty on the best.
  [[nodiscard]] const std::string& reason() const { return reason_; }

  // Becomes readable when an exec with a watched variable was seen after
  // arm(); clear_wake() makes it quiet again.
  [[nodiscard]] int wake_fd() const { return shared_.wake.get(); }
  // Before waiting. False when there is something to drain already.
  [[nodiscard]] bool arm();
  void clear_wake();

  // Takes a notice; the snapshot is there for kWatched.
  using TakeNotice = std::function<void(const ExecNotice& notice,
                                        std::unique_ptr<ExecSnapshot>)>;
  // Calls `take` for what the listeners found since the last call. Notices of
  // one listener are in order, those of different ones are not.
  void drain(const TakeNotice& take);

  // Other names from now on (a reload). Waits for listeners that are in the
  // middle of an exec, but not for one that hangs.
  void set_watched(std::span<const std::string> names);
  [[nodiscard]] const WatchList& watched() const { return *list_; }

  // Has the listeners watched until they end.
  void register_with(Watchdog& watchdog);
  // CPUs that came back since the last call have their listener pinned again.
  // Now and then.
  void follow_cpus();

  [[nodiscard]] const Fd& proc() const { return shared_.proc; }

 private:
  ExecCapture(CaptureChoice choice, Metrics& metrics)
      : choice_(choice), shared_(metrics) {}
  Status open_listeners();
  Status start_listeners(int realtime_priority);
  // Without a connector; an error when that was asked for.
  Status do_without(const Error& why);
  Status add_pair(Result<std::unique_ptr<ExecListener>> first);
  void judge(int realtime_priority);

  CaptureChoice choice_;
  ListenerShared shared_;
  std::unique_ptr<WatchList> list_;
  // Earlier ones that a listener was using when it was last looked.
  std::vector<std::unique_ptr<WatchList>> retired_;
  CaptureMode mode_ = CaptureMode::kAudit;
  std::string reason_;
  std::vector<unsigned> online_;
  std::vector<std::unique_ptr<ExecListener>> listeners_;
  std::vector<Watchdog::Watch> watches_;  // of the listeners
};

// The CPUs of a list as the kernel writes them: "0-3,8,10-11".
[[nodiscard]] std::vector<unsigned> parse_cpu_list(std::string_view text);

}  // namespace preload
