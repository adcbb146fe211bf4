// SPDX-License-Identifier: Apache-2.0
#include "preload/enrich/enricher.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <utility>

#include "preload/base/log.h"
#include "preload/base/sanitizer.h"
#include "preload/base/thread.h"
#include "preload/enrich/library_facts.h"

namespace preload {
namespace {

using std::chrono::steady_clock;

// Of the deadline, for names and for the answer's way to the store.
constexpr int64_t kAnswerNs = 50 * kNanosPerMilli;

// A look-up that waits for a file system cannot be killed and then keeps the
// process from ending. At least none of its files, sockets and locks stay open
// with it: a thread that looks up gets its own, empty table of descriptors. Not
// under the thread sanitizer, which knows one table for all threads: equal
// numbers would be races, and one on an inherited descriptor ends the process
// (clang 14: a failed check of its own).
void close_all_for_this_thread() {
  thread_local bool closed = false;
  if (kThreadSanitizer || std::exchange(closed, true))
    return;
  constexpr unsigned kUnshare = 1U << 1;  // CLOSE_RANGE_UNSHARE
  // Before Linux 5.9 there is no such call; then they are shared.
  [[maybe_unused]] const long result =
      ::syscall(SYS_close_range, 0U, ~0U, kUnshare);
}

}  // namespace

Enricher::Enricher(UserNames& names, const Clock& clock, Answer answer)
    : names_(names),
      clock_(clock),
      answer_(std::move(answer)),
      thread_(start_thread("enricher", [this] { run(); }, {})) {}

Enricher::~Enricher() {
  stop();
}

void Enricher::stop() {
  if (!thread_.joinable())
    return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ready_.notify_one();
  }
  thread_.join();
}

bool Enricher::enqueue(Job job) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || jobs_.size() >= kMaxQueued)
    return false;
  jobs_.push_back(std::move(job));
  ready_.notify_one();
  return true;
}

bool Enricher::submit(const Alert& alert) {
  return enqueue(AlertJob{alert, clock_.monotonic_ns() + kFactsDeadlineNs});
}

std::string Enricher::name_if_known(uint32_t uid) {
  if (auto name = names_.known(uid))
    return std::move(*name);
  {
    const std::lock_guard lock(mutex_);
    if (std::any_of(jobs_.begin(), jobs_.end(), [&](const Job& job) {
          const auto* asked = std::get_if<uint32_t>(&job);
          return asked != nullptr && *asked == uid;
        }))
      return {};
  }
  enqueue(uid);
  return {};
}

size_t Enricher::queued() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

void Enricher::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    ready_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_)
      return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    try {
      perform(job);
    } catch (const std::exception& error) {
      // The alert is sent without its facts.
      log_limited(LogLevel::kError, "enricher",
                  std::string("looking up a library or user name failed: ") +
                      error.what() + "; the alert is sent without it");
    }
    lock.lock();
  }
}

void Enricher::perform(const Job& job) {
  if (const auto* alert = std::get_if<AlertJob>(&job))
    look_up(*alert);
  else [[maybe_unused]]
    const std::string name = names_.name_of(std::get<uint32_t>(job));
}

void Enricher::look_up(const AlertJob& job) {
  const Alert& alert = job.alert;
  const int64_t left_ns = job.deadline_ns - kAnswerNs - clock_.monotonic_ns();
  if (left_ns <= 0)
    return;
  const auto deadline = steady_clock::now() + std::chrono::nanoseconds(left_ns);
  // The job's own: it may come back when nobody waits any more.
  struct Task {
    ExecEvent event;
    Term term;
    AlertFacts facts;
  };
  auto task = std::make_shared<Task>(Task{alert.event, alert.term, {}});
  Facts answer;
  answer.alert_id = alert.alert_id;
  answer.raised_at_us = alert.raised_at_us;
  if (call_.run([task, deadline] {
        close_all_for_this_thread();
        task->facts = inspect(task->event, task->term, deadline);
      }))
    answer.facts = std::move(task->facts);
  // Audit's own word, where there is one, stays.
  if (alert.event.user.empty())
    answer.names.emplace_back(alert.event.uid, names_.name_of(alert.event.uid));
  if (alert.event.login_user.empty())
    answer.names.emplace_back(alert.event.auid,
                              names_.name_of(alert.event.auid));
  answer_(std::move(answer));
}

}  // namespace preload
