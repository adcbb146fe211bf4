// SPDX-License-Identifier: Apache-2.0
// Looks up, on a thread of its own, what an alert says beyond its event: files
// and users, which may block for minutes on a dead file or directory server.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "preload/base/bounded_queue.h"
#include "preload/base/clock.h"
#include "preload/base/timed_call.h"
#include "preload/store/store_queue.h"

namespace preload {

// The name of a user; empty when there is none. May block for minutes.
[[nodiscard]] std::string look_up_user(uint32_t uid);

// The one cache of names, whose directory may not answer for minutes: a name is
// kept for an hour, and for a minute that one was not found or not in time. Any
// thread.
class UserNames {
 public:
  static constexpr size_t kMaxNames = 4096;
  using LookUp = std::function<std::string(uint32_t)>;

  explicit UserNames(const Clock& clock, LookUp look_up = look_up_user)
      : clock_(clock), look_up_(std::move(look_up)) {}

  // Never blocks. Nothing: it must be looked up; empty: there is none.
  [[nodiscard]] std::optional<std::string> known(uint32_t uid);

  // Looks it up if it must; waits at most TimedCall::kPatience for that, and as
  // long for the look-up of another thread. Empty: not found, or not in time.
  [[nodiscard]] std::string name_of(uint32_t uid);

 private:
  struct Name {
    std::string name;
    int64_t until_ns = 0;
  };

  const Clock& clock_;
  LookUp look_up_;
  std::mutex call_mutex_;
  TimedCall call_{"looking up a user name"};
  std::mutex names_mutex_;
  std::map<uint32_t, Name> names_;
};

// One look-up at a time, each with a time limit (base/timed_call.h). An alert
// whose turn comes after kFactsDeadlineNs is not looked up: it has been sent.
class Enricher {
 public:
  // Look-ups that wait, and as many that the thread has taken over.
  static constexpr size_t kMaxQueued = 1024;
  // Called on the enricher's thread.
  using Answer = std::function<void(Facts)>;

  Enricher(UserNames& names, Answer answer);
  Enricher(const Enricher&) = delete;
  Enricher& operator=(const Enricher&) = delete;
  ~Enricher() { stop(); }

  // Any thread; never blocks. False: the queue is full, there is no answer.
  [[nodiscard]] bool submit(const Alert& alert);

  // The name of a user if it is known already; empty otherwise, and it is
  // looked up for the next time. Any thread; never blocks.
  [[nodiscard]] std::string name_if_known(uint32_t uid);

  // Ends the thread. What waits is not looked up.
  void stop();

 private:
  // Shared with the look-up, which may end long after it was given up.
  struct AlertTask {
    Alert alert;
    std::chrono::steady_clock::time_point deadline;
    AlertFacts facts;
  };

  void run();
  void look_up(const std::shared_ptr<AlertTask>& task);
  void look_up_name(uint32_t uid);

  UserNames& names_;
  const Answer answer_;
  TimedCall call_{"looking up the libraries of an alert"};
  BoundedQueue<std::function<void()>> jobs_{kMaxQueued, SIZE_MAX};
  std::mutex asked_mutex_;
  std::set<uint32_t> asked_;  // users whose look-up waits
  std::thread thread_;        // last: it uses all of the above
};

}  // namespace preload
