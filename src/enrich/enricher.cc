// SPDX-License-Identifier: Apache-2.0
#include "preload/enrich/enricher.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>

#include "preload/base/log.h"
#include "preload/base/sanitizer.h"
#include "preload/base/thread.h"
#include "preload/enrich/library_facts.h"
#include "preload/enrich/user_names.h"

namespace preload {
namespace {

using std::chrono::steady_clock;

constexpr int64_t kNameAgeNs = 3600 * kNanosPerSecond;

struct AlertLookup {
  int64_t alert_id = 0;
  Term term;
  ExecEvent event;
};
struct NameLookup {
  uint32_t uid = 0;
};
using Job = std::variant<AlertLookup, NameLookup>;

struct Name {
  std::string name;      // empty: there is none
  int64_t since_ns = 0;  // 0: never looked up
  bool asked = false;    // a look-up is under way

  [[nodiscard]] bool current(const Clock& clock) const {
    return since_ns != 0 && clock.monotonic_ns() - since_ns < kNameAgeNs;
  }
};

}  // namespace

// Workers keep it alive: they may outlive the Enricher.
struct Enricher::Shared : std::enable_shared_from_this<Shared> {
  void enqueue(Job job);
  void give_up(int64_t alert_id);
  Name& name_entry(uint32_t uid);
  void ensure_worker();
  void work();
  void perform(const Job& job);
  std::string name_of(uint32_t uid);

  const SystemClock clock{};
  std::mutex mutex;
  std::condition_variable work_ready;
  std::condition_variable done;
  std::deque<Job> jobs;
  std::map<int64_t, int64_t> deadlines;  // of alerts under way, ns
  std::map<int64_t, LookedUp> findings;
  std::map<uint32_t, Name> names;
  std::map<std::thread::id, int64_t> busy_since;  // of working threads
  size_t workers = 0;
  bool stopping = false;
};

// With the mutex, like ensure_worker().
void Enricher::Shared::enqueue(Job job) {
  jobs.push_back(std::move(job));
  ensure_worker();
  work_ready.notify_one();
}

// Nobody waits for it any more, so its job need not be done.
void Enricher::Shared::give_up(int64_t alert_id) {
  deadlines.erase(alert_id);
  std::erase_if(jobs, [&](const Job& job) {
    const auto* lookup = std::get_if<AlertLookup>(&job);
    return lookup != nullptr && lookup->alert_id == alert_id;
  });
}

// With the mutex.
Name& Enricher::Shared::name_entry(uint32_t uid) {
  if (names.size() >= kMaxNames && !names.contains(uid))
    names.clear();
  return names[uid];
}

void Enricher::Shared::ensure_worker() {
  const int64_t now_ns = clock.monotonic_ns();
  size_t stuck = 0;
  for (const auto& [thread, since_ns] : busy_since)
    if (now_ns - since_ns > kDeadlineNs)
      ++stuck;
  if (stuck < workers || workers == kMaxWorkers)
    return;
  if (workers > 0)
    log_limited(LogLevel::kWarning, "inspector-stuck",
                "looking up a library or user name hangs (a file or directory "
                "server that does not answer?); alerts go on without it");
  ++workers;
  start_thread("inspector", [self = shared_from_this()] { self->work(); }, {})
      .detach();
}

// A look-up that waits for a file system cannot even be killed, so it keeps
// the process from going altogether. Then at least none of our files, sockets
// and locks are to stay with it: each thread has descriptors of its own, and
// none to begin with. Not under the thread sanitizer, which knows one table
// for all threads: equal numbers would be races, and one on an inherited
// descriptor ends the process (clang 14: a failed check of its own).
void close_all_for_this_thread() {
  if (kThreadSanitizer)
    return;
  constexpr unsigned kUnshare = 1U << 1;  // CLOSE_RANGE_UNSHARE
  // Before Linux 5.9 there is no such call; then they are shared.
  [[maybe_unused]] const long result =
      ::syscall(SYS_close_range, 0U, ~0U, kUnshare);
}

void Enricher::Shared::work() {
  close_all_for_this_thread();
  std::unique_lock lock(mutex);
  while (true) {
    work_ready.wait(lock, [&] { return stopping || !jobs.empty(); });
    if (stopping)
      return;
    const Job job = std::move(jobs.front());
    jobs.pop_front();
    busy_since[std::this_thread::get_id()] = clock.monotonic_ns();
    lock.unlock();
    try {
      perform(job);
    } catch (const std::exception& error) {
      // The alert goes without its facts.
      log_limited(LogLevel::kError, "inspector",
                  std::string("looking up a library or user name failed: ") +
                      error.what());
    }
    lock.lock();
    if (stopping)
      return;
    busy_since.erase(std::this_thread::get_id());
  }
}

void Enricher::Shared::perform(const Job& job) {
  if (const auto* lookup = std::get_if<NameLookup>(&job)) {
    name_of(lookup->uid);
    return;
  }
  const auto& lookup = std::get<AlertLookup>(job);
  LookedUp found;
  found.user = name_of(lookup.event.uid);
  found.login_user = name_of(lookup.event.auid);
  found.facts =
      inspect(lookup.event, lookup.term,
              steady_clock::now() + std::chrono::nanoseconds(kDeadlineNs));
  const std::lock_guard lock(mutex);
  if (deadlines.contains(lookup.alert_id))
    findings[lookup.alert_id] = std::move(found);
  done.notify_all();
}

std::string Enricher::Shared::name_of(uint32_t uid) {
  {
    const std::lock_guard lock(mutex);
    const auto known = names.find(uid);
    if (known != names.end() && known->second.current(clock))
      return known->second.name;
  }
  std::string name = look_up_user(uid);
  const std::lock_guard lock(mutex);
  name_entry(uid) = {name, clock.monotonic_ns(), false};
  return name;
}

Enricher::Enricher() : shared_(std::make_shared<Shared>()) {}

Enricher::~Enricher() {
  const std::lock_guard lock(shared_->mutex);
  shared_->stopping = true;
  shared_->work_ready.notify_all();
}

void Enricher::submit(const Alert& alert) {
  if (alert.alert_id == 0 || alert.kind != AlertKind::kNewTerm)
    return;
  const std::lock_guard lock(shared_->mutex);
  if (shared_->deadlines.size() >= kMaxQueued ||
      shared_->jobs.size() >= kMaxQueued)
    return;
  shared_->deadlines[alert.alert_id] =
      shared_->clock.monotonic_ns() + kDeadlineNs;
  shared_->enqueue(AlertLookup{alert.alert_id, alert.term, alert.event});
}

void Enricher::forget(int64_t alert_id) {
  const std::lock_guard lock(shared_->mutex);
  shared_->findings.erase(alert_id);
  shared_->give_up(alert_id);
}

size_t Enricher::queued() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->jobs.size();
}

std::optional<LookedUp> Enricher::finish(int64_t alert_id) {
  Shared& shared = *shared_;
  std::unique_lock lock(shared.mutex);
  const auto expected = shared.deadlines.find(alert_id);
  if (expected == shared.deadlines.end())
    return std::nullopt;
  const int64_t left_ns = expected->second - shared.clock.monotonic_ns();
  shared.done.wait_for(lock,
                       std::chrono::nanoseconds(std::max<int64_t>(left_ns, 0)),
                       [&] { return shared.findings.contains(alert_id); });
  const auto found = shared.findings.extract(alert_id);
  shared.give_up(alert_id);
  if (found.empty())
    return std::nullopt;
  return std::move(found.mapped());
}

std::string Enricher::name_if_known(uint32_t uid) {
  if (uid == kUnsetId)
    return {};
  const std::lock_guard lock(shared_->mutex);
  Name& name = shared_->name_entry(uid);
  if (!name.current(shared_->clock) && !name.asked &&
      shared_->jobs.size() < kMaxQueued) {
    name.asked = true;
    shared_->enqueue(NameLookup{uid});
  }
  return name.name;
}

}  // namespace preload
