// SPDX-License-Identifier: Apache-2.0
// Owns all listeners and determines the capture mode.
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

// The modes, with the measured share of captured programs among those that exit
// at once; audisp-preload-reliability(7) has the table.
enum class CaptureMode : uint8_t {
  kAudit = 0,     // no connector, read when the audit record comes: 36-82 %
  kNice = 1,      // listeners at nice -20 (or worse): 85-98 %
  kRealtime = 2,  // every listener pinned, SCHED_FIFO: 100 %
};
[[nodiscard]] std::string_view to_string(CaptureMode mode);

class ExecCapture {
 public:
  // Start-up has three steps: open(), start() and release(). They attain the
  // best mode that the system allows and `choice` asks for; reason() says what
  // prevented a better one.
  //
  // open() opens the sockets, which needs root. It starts no thread. Only
  // `capture = connector` can make it or start() fail.
  static Result<std::unique_ptr<ExecCapture>> open(CaptureChoice choice,
                                                   Metrics& metrics);
  // Starts the listeners' threads with their scheduling. They read nothing yet.
  Status start(int realtime_priority, std::span<const std::string> watched);
  // Lets the listeners begin. Each calls `confine` first, which may drop
  // privileges that the thread no longer needs.
  Status release(const std::function<Status()>& confine = {});
  ExecCapture(const ExecCapture&) = delete;
  ExecCapture& operator=(const ExecCapture&) = delete;
  ~ExecCapture();

  [[nodiscard]] CaptureMode mode() const { return mode_; }
  // What prevented a better mode, and the remedy; empty in the best mode.
  [[nodiscard]] const std::string& reason() const { return reason_; }

  // Becomes readable when an exec with a watched variable was seen after
  // arm(), until clear_wake().
  [[nodiscard]] int wake_fd() const { return shared_.wake.get(); }
  // Before waiting. False when there is something to drain already.
  [[nodiscard]] bool arm();
  void clear_wake();

  // Adds what the listeners found since the last call. Notices of one listener
  // are in order, those of different ones are not.
  void drain(std::vector<ExecNotice>& notices);

  // Changes the watched names (after a reload).
  void set_watched(std::span<const std::string> names);
  [[nodiscard]] const WatchList& watched() const { return *lists_.back(); }

  // Registers the listeners with the watchdog until they end.
  void register_with(Watchdog& watchdog);
  // Pins the listeners of CPUs that came online since the last call. Call it
  // every few seconds.
  void follow_cpus();

  [[nodiscard]] const Fd& proc() const { return shared_.proc; }

 private:
  ExecCapture(CaptureChoice choice, Metrics& metrics)
      : choice_(choice), shared_(metrics) {}
  Status open_listeners();
  Status start_listeners(int realtime_priority);
  // Continues without a connector; an error when `capture = connector`.
  Status do_without(const Error& why);
  void determine_mode(int realtime_priority);

  CaptureChoice choice_;
  ListenerShared shared_;
  // The watched names and those of before, a few hundred bytes for each reload
  // that changed them. Listeners may be using any.
  std::vector<std::unique_ptr<WatchList>> lists_;
  CaptureMode mode_ = CaptureMode::kAudit;
  std::string reason_;
  std::vector<unsigned> online_;
  std::vector<std::unique_ptr<ExecListener>> listeners_;
  Watchdog* watchdog_ = nullptr;  // of the listeners
};

// The CPUs of a list as the kernel writes them: "0-3,8,10-11".
[[nodiscard]] std::vector<unsigned> parse_cpu_list(std::string_view text);

}  // namespace preload
