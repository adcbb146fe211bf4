// SPDX-License-Identifier: Apache-2.0
#include "preload/base/timed_call.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <utility>

#include "preload/base/log.h"
#include "preload/base/thread.h"

namespace preload {

// The mutex guards all members. The caller sets `job` and waits for `done`; the
// worker takes `job` and sets `done`. A caller that abandons its worker counts
// it as lost and sets `left`; the worker ends as soon as it sees that.
struct TimedCall::Worker {
  void work(std::atomic<size_t>& lost);

  std::mutex mutex;
  std::condition_variable changed;
  std::function<void()> job;
  bool done = false;
  bool good = false;
  bool left = false;
};

void TimedCall::Worker::work(std::atomic<size_t>& lost) {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return job || left; });
    if (!job)
      break;
    auto mine = std::exchange(job, nullptr);
    lock.unlock();
    bool ran = false;
    try {
      mine();
      mine = nullptr;
      ran = true;
    } catch (const std::exception&) {
      // Most likely std::bad_alloc; run() returns false.
    }
    lock.lock();
    good = ran;
    done = true;
    changed.notify_all();
    if (left)
      break;
  }
  --lost;
}

TimedCall::TimedCall(std::string what, std::chrono::milliseconds patience)
    : what_(std::move(what)),
      patience_(patience),
      lost_(std::make_shared<std::atomic<size_t>>(0)) {}

TimedCall::~TimedCall() {
  if (!worker_)
    return;
  const std::lock_guard lock(worker_->mutex);
  worker_->left = true;
  ++*lost_;
  worker_->changed.notify_all();
}

bool TimedCall::ensure_worker() {
  if (worker_)
    return true;
  if (*lost_ >= kMaxLost)
    return false;
  auto worker = std::make_shared<Worker>();
  try {
    start_thread("timed-call", [worker, lost = lost_] { worker->work(*lost); },
                 {})
        .detach();
  } catch (const std::system_error&) {
    return false;  // no more threads
  }
  worker_ = std::move(worker);
  return true;
}

bool TimedCall::run(std::function<void()> job) {
  if (!ensure_worker())
    return false;
  const std::shared_ptr<Worker> worker = worker_;
  std::unique_lock lock(worker->mutex);
  worker->job = std::move(job);
  worker->done = false;
  worker->changed.notify_all();
  if (worker->changed.wait_for(lock, patience_, [&] { return worker->done; }))
    return worker->good;
  worker->left = true;
  ++*lost_;
  worker_.reset();
  log_limited(LogLevel::kWarning, "bounded-call",
              what_ +
                  " hangs: a file system or a directory server does not "
                  "answer, perhaps on purpose; continuing without the result");
  return false;
}

}  // namespace preload
