// SPDX-License-Identifier: Apache-2.0
// The thread "files": reads the configuration again and writes the state file
// and `metrics_file`, since a file system may not answer and the input thread
// must not wait for it. Nor do the threads of the database and of the outputs
// do it: when one of those hangs, the reports show it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "preload/base/clock.h"
#include "preload/base/config.h"
#include "preload/base/event_fd.h"
#include "preload/base/metrics.h"
#include "preload/base/thread.h"
#include "preload/deliver/sinks.h"

namespace preload {

// A configuration that was read again, and its outputs. Keys that need a
// restart have their old values.
struct Reloaded {
  Config config;
  Sinks sinks;
};

// Any thread sets what is wanted, under the mutex; `config_` is the thread's.
class FileThread {
 public:
  // Writes the state file, with the lines `facts`, before it starts the thread,
  // which also writes `metrics_file` every `report_ns`. `config` came from
  // `config_file`.
  FileThread(Config config, std::string config_file, std::string facts,
             const Metrics& metrics, const Clock& clock, int64_t report_ns,
             ThreadFailed failed);
  FileThread(const FileThread&) = delete;
  FileThread& operator=(const FileThread&) = delete;
  // Ends the thread, writes `metrics_file` once more and removes the state
  // file. Waits for a file system that does not answer.
  ~FileThread();

  // Writes both files. Never blocks, as reload().
  void report() { want(&Wanted::report); }
  // Reads the configuration. One that is not valid is refused in the log.
  void reload() { want(&Wanted::reload); }

  // Readable when take() has a configuration. One thread.
  [[nodiscard]] int fd() const { return done_.get(); }
  [[nodiscard]] std::optional<Reloaded> take();

 private:
  struct Wanted {
    bool report = false;
    bool reload = false;
    bool stop = false;
  };

  void want(bool Wanted::*what);
  void run();
  void read_configuration();
  void write_state(const Metrics::Snapshot& numbers) const;
  void write_metrics(const Metrics::Snapshot& numbers) const;

  Config config_;
  const std::string config_file_;
  const std::string facts_;
  const Metrics& metrics_;
  const Clock& clock_;
  const int64_t report_ns_;
  const EventFd done_;

  std::mutex mutex_;
  std::condition_variable changed_;
  Wanted wanted_;
  std::optional<Reloaded> reloaded_;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace preload
