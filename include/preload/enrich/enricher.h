// SPDX-License-Identifier: Apache-2.0
// Looks up, on a thread of its own, what an alert tells beyond its event: paths
// and names, which may block for minutes on a dead file or directory server.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <variant>

#include "preload/base/clock.h"
#include "preload/base/timed_call.h"
#include "preload/enrich/user_names.h"
#include "preload/store/history_item.h"

namespace preload {

// One look-up at a time, each with a time limit (base/timed_call.h). An alert
// whose turn comes after kFactsDeadlineNs is not looked up: it has been sent.
class Enricher {
 public:
  // Look-ups that wait.
  static constexpr size_t kMaxQueued = 1024;
  // Called on the enricher's thread.
  using Answer = std::function<void(Facts)>;

  Enricher(UserNames& names, const Clock& clock, Answer answer);
  Enricher(const Enricher&) = delete;
  Enricher& operator=(const Enricher&) = delete;
  ~Enricher();  // stop()

  // Any thread; never blocks. False: the queue is full, there is no answer.
  [[nodiscard]] bool submit(const Alert& alert);

  // The name of a user if it is known already; empty otherwise, and it is
  // looked up for the next time. Any thread; never blocks.
  [[nodiscard]] std::string name_if_known(uint32_t uid);

  // Ends the thread. What waits is not looked up.
  void stop();

  [[nodiscard]] size_t queued() const;

 private:
  struct AlertJob {
    Alert alert;
    int64_t deadline_ns = 0;
  };
  using Job = std::variant<AlertJob, uint32_t>;  // or the id of a user

  void run();
  void perform(const Job& job);
  void look_up(const AlertJob& job);
  bool enqueue(Job job);

  UserNames& names_;
  const Clock& clock_;
  const Answer answer_;
  TimedCall call_{"looking up the libraries of an alert"};
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace preload
