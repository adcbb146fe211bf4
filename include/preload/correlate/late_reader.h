// SPDX-License-Identifier: Apache-2.0
// The thread "late": does what the correlator needs from files and what may
// hang (timed_call.h says how), so that the input thread never waits. It reads
// the environment of execs that no listener captured whole, programs of
// parents, and /etc/ld.so.preload.
//
// Requests wait in a bounded queue; results come back through an eventfd. Every
// request that was taken has exactly one result. A job that hangs is given up
// after kPatience, its thread abandoned and replaced; its result is the one of
// a read that failed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/fd.h"
#include "preload/correlate/environ_reader.h"

namespace preload {

struct LateRequest {
  enum class What : uint8_t {
    kEnvironment,  // of `pid`, which runs `path` since `event_us`
    kProgram,      // of `pid`
    kPreloadFile,  // what the file `path` holds
  };
  What what = What::kEnvironment;
  int32_t pid = 0;
  uint64_t token = 0;  // of the Exec
  std::string path;
  int64_t event_us = 0;  // wall clock
};

// As of a read that failed, unless it was done.
struct LateResult {
  explicit LateResult(LateRequest&& what) : request(std::move(what)) {
    read.reason = MissReason::kUnreadable;
  }

  LateRequest request;
  LateRead read;                               // kEnvironment
  int64_t read_us = 0;                         // when: wall clock
  EnvironReader::Program program;              // kProgram
  std::optional<std::vector<EnvVar>> entries;  // kPreloadFile
  std::exception_ptr thrown;                   // for want of memory
};

// Does one request on the calling thread.
[[nodiscard]] LateResult do_late_request(LateRequest&& request,
                                         EnvironReader& reader,
                                         const WatchList& watched,
                                         const Clock& clock);

// All functions are for one thread.
class LateReader {
 public:
  // Requests without a result that was taken. As many as execs that audit
  // reports in a second under heavy load.
  static constexpr size_t kMaxRequests = 16'384;
  // The thread pauses while results of this size wait to be taken.
  static constexpr size_t kMaxResultBytes = size_t{8} << 20;
  // Limit of one job, and of the sum of all slow jobs (slower than kAtOnce) in
  // each kSpan: many processes that hang, one after the other, must not keep
  // the others from being read. After kPatience in sum the limit of a job is
  // kLittlePatience; after kMaxWaited all fail until the span ends.
  static constexpr std::chrono::milliseconds kPatience{250};
  static constexpr std::chrono::seconds kSpan{10};
  static constexpr std::chrono::milliseconds kAtOnce{3};
  static constexpr std::chrono::milliseconds kLittlePatience{10};
  static constexpr std::chrono::milliseconds kMaxWaited{1000};
  // Abandoned threads; with so many, requests fail until one of them returns.
  static constexpr size_t kMaxLost = 32;

  LateReader(const Fd& proc, const WatchList& watched);
  LateReader(const LateReader&) = delete;
  LateReader& operator=(const LateReader&) = delete;
  // Does not wait for a job that is still running.
  ~LateReader();

  // False when the queue is full or closed.
  [[nodiscard]] bool post(LateRequest&& request);
  // Readable when there are results.
  [[nodiscard]] int fd() const;
  // Gives up a job that hangs: call it at deadline_ns() too. Throws what a job
  // has thrown.
  [[nodiscard]] std::vector<LateResult> take();
  // When the present job is to be given up (CLOCK_MONOTONIC).
  [[nodiscard]] std::optional<int64_t> deadline_ns() const;
  // Requests whose results are not taken yet.
  [[nodiscard]] size_t pending() const;
  // Fails all that has not been done, and refuses what comes.
  void close();

  void set_watched(const WatchList& watched);
  // Threads that are abandoned and still running.
  [[nodiscard]] size_t lost() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the thread, which may hang
};

}  // namespace preload
