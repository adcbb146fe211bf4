// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/late_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <system_error>
#include <utility>

#include "preload/base/event_fd.h"
#include "preload/base/log.h"
#include "preload/base/thread.h"
#include "preload/correlate/preload_file.h"

namespace preload {

using std::chrono::steady_clock;

LateResult do_late_request(LateRequest&& request, EnvironReader& reader,
                           const WatchList& watched, const Clock& clock) {
  LateResult result(std::move(request));
  const LateRequest& asked = result.request;
  switch (asked.what) {
    case LateRequest::What::kEnvironment:
      result.read = reader.read(asked.pid, watched, asked.path, asked.event_us);
      break;
    case LateRequest::What::kProgram:
      result.program = reader.program_of(asked.pid);
      break;
    case LateRequest::What::kPreloadFile:
      result.entries = read_preload_file(asked.path);
      break;
  }
  result.read_us = clock.wall_us();
  return result;
}

// The mutex guards all but what is constant. The owner adds to `queue` and
// takes `results`; the thread whose number is `generation` does the opposite.
// The owner abandons it by counting on.
struct LateReader::State {
  State(const Fd& from, const WatchList& names)
      : proc(::fcntl(from.get(), F_DUPFD_CLOEXEC, 0)),
        watched(std::make_shared<const WatchList>(names)) {}

  void work(uint64_t mine);
  void start_thread_if_needed(const std::shared_ptr<State>& self);
  void give_up_hanging();
  void abandon_thread();
  void fail_all();
  void add_result(LateResult&& result);
  bool too_slow();
  void count_slow(steady_clock::duration took);

  const Fd proc;
  const EventFd ready;
  const SystemClock clock;

  std::mutex mutex;
  std::condition_variable changed;
  std::shared_ptr<const WatchList> watched;
  std::deque<LateRequest> queue;
  std::vector<LateResult> results;
  size_t result_bytes = 0;
  std::optional<LateRequest> running;
  steady_clock::time_point begun, limit;  // of what is running
  uint64_t generation = 0;
  bool has_thread = false;
  bool closed = false;
  size_t lost = 0;
  steady_clock::time_point span_end;
  steady_clock::duration waited{};  // in this span
};

void LateReader::State::work(uint64_t mine) {
  EnvironReader reader(proc, clock);
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [&] {
      return generation != mine ||
             (!queue.empty() && result_bytes < kMaxResultBytes);
    });
    if (generation != mine)
      break;
    LateRequest request = std::move(queue.front());
    queue.pop_front();
    if (too_slow()) {
      add_result(LateResult(std::move(request)));
      continue;
    }
    running = request;
    begun = steady_clock::now();
    limit = begun + (waited < kPatience ? kPatience : kLittlePatience);
    const auto names = watched;
    LateResult result{LateRequest(request)};
    lock.unlock();
    try {
      result = do_late_request(std::move(request), reader, *names, clock);
    } catch (const std::exception&) {
      result.thrown = std::current_exception();
    }
    lock.lock();
    if (generation != mine)
      break;
    running.reset();
    count_slow(steady_clock::now() - begun);
    add_result(std::move(result));
  }
  --lost;
}

void LateReader::State::add_result(LateResult&& result) {
  result_bytes += result.read.snapshot ? weight(*result.read.snapshot) : 0;
  results.push_back(std::move(result));
  if (results.size() == 1)
    ready.signal();
}

bool LateReader::State::too_slow() {
  if (steady_clock::now() > span_end)
    waited = {};
  if (waited < kMaxWaited)
    return false;
  log_limited(LogLevel::kWarning, "late-reads-often",
              "reading processes in /proc was slow repeatedly, perhaps on "
              "purpose; none is read late for up to 10 s");
  return true;
}

void LateReader::State::count_slow(steady_clock::duration took) {
  if (took <= kAtOnce)
    return;
  const auto now = steady_clock::now();
  if (now > span_end) {
    span_end = now + kSpan;
    waited = {};
  }
  waited += took;
}

void LateReader::State::give_up_hanging() {
  const auto now = steady_clock::now();
  if (!running || now < limit)
    return;
  log_limited(LogLevel::kWarning, "late-read",
              "reading a process in /proc hangs: a process waits for a file "
              "system that does not answer, perhaps on purpose; continuing "
              "without the result");
  count_slow(now - begun);
  abandon_thread();
}

void LateReader::State::abandon_thread() {
  if (running)
    add_result(LateResult(*std::exchange(running, std::nullopt)));
  ++generation;
  if (std::exchange(has_thread, false))
    ++lost;
  changed.notify_all();
}

void LateReader::State::start_thread_if_needed(
    const std::shared_ptr<State>& self) {
  if (has_thread || queue.empty())
    return;
  if (lost >= kMaxLost)
    return fail_all();
  try {
    start_thread("late", [self, mine = generation] { self->work(mine); }, {})
        .detach();
    has_thread = true;
  } catch (const std::system_error&) {
    fail_all();  // no more threads
  }
}

void LateReader::State::fail_all() {
  for (LateRequest& request : std::exchange(queue, {}))
    add_result(LateResult(std::move(request)));
}

LateReader::LateReader(const Fd& proc, const WatchList& watched)
    : state_(std::make_shared<State>(proc, watched)) {}

LateReader::~LateReader() {
  close();
}

bool LateReader::post(LateRequest&& request) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->closed ||
        state_->queue.size() + state_->results.size() >= kMaxRequests)
      return false;
    state_->queue.push_back(std::move(request));
    state_->start_thread_if_needed(state_);
  }
  state_->changed.notify_one();
  return true;
}

int LateReader::fd() const {
  return state_->ready.get();
}

std::vector<LateResult> LateReader::take() {
  std::vector<LateResult> results;
  bool paused = false;
  {
    const std::lock_guard lock(state_->mutex);
    state_->give_up_hanging();
    state_->start_thread_if_needed(state_);
    if (state_->results.empty())
      return results;
    state_->ready.clear();
    results = std::exchange(state_->results, {});
    paused = state_->result_bytes >= kMaxResultBytes;
    state_->result_bytes = 0;
  }
  if (paused)
    state_->changed.notify_one();
  for (const LateResult& result : results)
    if (result.thrown)
      std::rethrow_exception(result.thrown);
  return results;
}

std::optional<int64_t> LateReader::deadline_ns() const {
  const std::lock_guard lock(state_->mutex);
  // One that waits may have begun when the caller waits.
  const auto limit =
      state_->running ? state_->limit
                      : steady_clock::now() + steady_clock::duration(kPatience);
  if (!state_->running && state_->queue.empty())
    return std::nullopt;
  return std::chrono::nanoseconds(limit.time_since_epoch()).count();
}

size_t LateReader::pending() const {
  const std::lock_guard lock(state_->mutex);
  return state_->queue.size() + state_->results.size() +
         (state_->running ? 1 : 0);
}

void LateReader::close() {
  const std::lock_guard lock(state_->mutex);
  state_->closed = true;
  state_->fail_all();
  state_->abandon_thread();
}

void LateReader::set_watched(const WatchList& watched) {
  auto names = std::make_shared<const WatchList>(watched);
  const std::lock_guard lock(state_->mutex);
  state_->watched = std::move(names);
}

size_t LateReader::lost() const {
  const std::lock_guard lock(state_->mutex);
  return state_->lost;
}

}  // namespace preload
