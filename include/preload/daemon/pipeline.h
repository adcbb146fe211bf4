// SPDX-License-Identifier: Apache-2.0
// The running plugin: all stages and the threads between them.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "preload/audit/assembler.h"
#include "preload/audit/record_reader.h"
#include "preload/base/clock.h"
#include "preload/base/config.h"
#include "preload/base/event_fd.h"
#include "preload/base/fd.h"
#include "preload/base/metrics.h"
#include "preload/base/result.h"
#include "preload/base/thread.h"
#include "preload/base/watchdog.h"
#include "preload/capture/exec_capture.h"
#include "preload/correlate/correlator.h"
#include "preload/correlate/environ_reader.h"
#include "preload/correlate/preload_file.h"
#include "preload/daemon/file_thread.h"
#include "preload/deliver/relay.h"
#include "preload/enrich/enricher.h"
#include "preload/store/history_writer.h"

namespace preload {

// Made once, by main. open() does what needs root and starts no thread,
// start_listeners() what needs scheduling rights. start() brings the other
// stages up from the last to the first, run() is the input thread, and the
// destructor takes them down in order.
class Pipeline final : public ExecHandler {
 public:
  // `config` came from `config_file`; `signals` is of block_signals(); `parent`
  // is the process whose SIGTERM counts. Records come from standard input.
  Pipeline(Config config, std::string config_file, Fd signals, pid_t parent,
           const Timing& timing);
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;
  ~Pipeline() override;

  Status open();
  // Listeners wait for start() with their first exec.
  Status start_listeners();
  Status start();

  // Until end of file or SIGTERM; then everything is flushed, in at most two
  // seconds. The error is that of a stage that could not go on.
  Status run();

  void on_exec(ExecEventPtr event) override;
  void on_missed(ExecEventPtr event) override;
  void on_preload_file(ExecEventPtr event) override;
  std::string user_name(uint32_t uid) override;

 private:
  Status start_history();
  Status start_input();
  [[nodiscard]] std::string state_lines() const;
  // Of the processes that began before then (environ_reader.h).
  void start_inventory(uint64_t before_ticks);
  void give(ExecEventPtr event);

  enum class Turn { kGoOn, kStop };
  Turn wait_and_read();
  Turn handle_signals();
  Turn read_records();
  [[nodiscard]] int64_t gather_ns() const;
  void take_late_results();
  [[nodiscard]] timespec wait_time();
  void keep_time();
  void use_configuration(Reloaded&& reloaded);
  void finish_late_reads();
  void shut_down();
  void stop_with(const std::string& failure);
  void start_watchdog();

  SystemClock clock_;
  const Timing timing_;
  Metrics metrics_;
  Config config_;
  std::string config_file_;
  Fd signals_;
  pid_t parent_;
  EventFd failed_;  // a thread cannot go on
  std::mutex failure_mutex_;
  std::string failure_;
  const ThreadFailed thread_failed_ = [this](const std::string& what) {
    stop_with(what);
  };
  // Runs until shut_down() has ended the stages, and sees one that hangs.
  Watchdog watchdog_{clock_, metrics_, timing_};
  Pulse input_pulse_;
  Pulse inventory_pulse_;

  UserNames user_names_{clock_};
  // Started with the other stages: its thread has their privileges.
  std::unique_ptr<Enricher> enricher_;
  // In the order of the data, last stage first.
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<HistoryWriter> history_;
  std::unique_ptr<ExecCapture> capture_;
  std::unique_ptr<FileThread> files_;
  std::unique_ptr<LateReader> late_;
  std::unique_ptr<Correlator> correlator_;
  std::unique_ptr<ExecParser> parser_;
  std::unique_ptr<Assembler> assembler_;
  std::unique_ptr<RecordReader> reader_;
  std::thread inventory_;
  PreloadFileWatch preload_file_{timing_.preload_file};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> inventory_done_{false};

  size_t last_bytes_ = 0;
  int64_t gather_until_ns_ = 0;  // 0 = records are not gathering
  int64_t coverage_due_ns_ = 0;
};

}  // namespace preload
