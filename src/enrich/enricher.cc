// SPDX-License-Identifier: Apache-2.0
#include "preload/enrich/enricher.h"

#include <pwd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <exception>
#include <memory>
#include <utility>

#include "preload/base/log.h"
#include "preload/base/sanitizer.h"
#include "preload/base/thread.h"
#include "preload/correlate/exec_event.h"
#include "preload/enrich/library_facts.h"

namespace preload {
namespace {

using std::chrono::steady_clock;

// The deadline less 50 ms for names and for the answer's way to the store.
constexpr std::chrono::nanoseconds kLookUpTime{kFactsDeadlineNs -
                                               50 * kNanosPerMilli};

constexpr int64_t kFoundNs = 3600 * kNanosPerSecond;
constexpr int64_t kNotFoundNs = 60 * kNanosPerSecond;

// A look-up that waits for a file system cannot be killed and keeps the process
// from ending. So that no file, socket or lock stays open with it, a thread
// that looks up gets an empty table of descriptors of its own. Not under the
// thread sanitizer, which knows one table for all threads: equal numbers would
// be races, and one on an inherited descriptor ends the process (clang 14).
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

std::string look_up_user(uint32_t uid) {
  if (uid == kUnsetId)
    return {};
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr)
    return {};
  return found->pw_name;
}

std::optional<std::string> UserNames::known(uint32_t uid) {
  if (uid == kUnsetId)
    return std::string();
  const std::lock_guard lock(names_mutex_);
  const auto found = names_.find(uid);
  if (found == names_.end() || clock_.monotonic_ns() >= found->second.until_ns)
    return std::nullopt;
  return found->second.name;
}

std::string UserNames::name_of(uint32_t uid) {
  if (auto name = known(uid))
    return std::move(*name);
  const std::lock_guard one_call(call_mutex_);
  if (auto name = known(uid))
    return std::move(*name);
  // Shared with the job, which may end long after it was given up.
  auto found = std::make_shared<std::string>();
  const bool in_time =
      call_.run([found, uid, look_up = look_up_] { *found = look_up(uid); });
  std::string name = in_time ? *found : std::string();
  const std::lock_guard lock(names_mutex_);
  if (names_.size() >= kMaxNames)
    names_.clear();
  names_[uid] = {
      name, clock_.monotonic_ns() + (name.empty() ? kNotFoundNs : kFoundNs)};
  return name;
}

Enricher::Enricher(UserNames& names, Answer answer)
    : names_(names),
      answer_(std::move(answer)),
      thread_(start_thread("enricher", [this] { run(); }, {})) {}

void Enricher::stop() {
  jobs_.close();
  if (thread_.joinable())
    thread_.join();
}

bool Enricher::submit(const Alert& alert) {
  auto task = std::make_shared<AlertTask>(
      AlertTask{alert, steady_clock::now() + kLookUpTime, {}});
  return jobs_.try_push([this, task = std::move(task)] { look_up(task); }, 0);
}

std::string Enricher::name_if_known(uint32_t uid) {
  if (auto name = names_.known(uid))
    return std::move(*name);
  const std::lock_guard lock(asked_mutex_);
  if (!asked_.contains(uid) &&
      jobs_.try_push([this, uid] { look_up_name(uid); }, 0))
    asked_.insert(uid);
  return {};
}

void Enricher::run() {
  while (!jobs_.closed()) {
    for (const auto& job : jobs_.pop_all(std::chrono::hours(1))) {
      if (jobs_.closed())
        return;
      try {
        job();
      } catch (const std::exception& error) {
        // The alert is sent without its facts.
        log_limited(LogLevel::kError, "enricher",
                    std::string("looking up a library or user name failed: ") +
                        error.what() + "; the alert is sent without it");
      }
    }
  }
}

void Enricher::look_up_name(uint32_t uid) {
  {
    const std::lock_guard lock(asked_mutex_);
    asked_.erase(uid);
  }
  [[maybe_unused]] const std::string name = names_.name_of(uid);
}

void Enricher::look_up(const std::shared_ptr<AlertTask>& task) {
  const Alert& alert = task->alert;
  if (steady_clock::now() >= task->deadline)
    return;
  Facts answer;
  answer.alert_id = alert.alert_id;
  answer.raised_at_us = alert.raised_at_us;
  if (call_.run([task] {
        close_all_for_this_thread();
        task->facts =
            find_facts(*task->alert.event, task->alert.term, task->deadline);
      }))
    answer.facts = std::move(task->facts);
  // A name that audit gave is kept.
  const ExecEvent& event = *alert.event;
  if (event.user.empty())
    answer.names.emplace_back(event.uid, names_.name_of(event.uid));
  if (event.login_user.empty())
    answer.names.emplace_back(event.auid, names_.name_of(event.auid));
  answer_(std::move(answer));
}

}  // namespace preload
