// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/exec_listener.h"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>

namespace preload {
namespace {

// Some 5,000 exec messages of 100 bytes with the kernel's overhead, should a
// CPU be kept from its listener for long.
constexpr int kSocketBuffer = 4 << 20;
// Above this the owner is woken although no watched variable was seen.
constexpr size_t kRingHigh = kMaxSnapshot / 64;

// Ends a recv(2). Not used otherwise in this process.
constexpr int kStopSignal = SIGUSR2;
// A read takes milliseconds at most, unless it hangs.
constexpr auto kStopPatience = std::chrono::milliseconds(200);

void do_nothing(int /*signal*/) {}

// Without SA_RESTART.
bool let_stop_signal_interrupt() {
  struct sigaction action {};
  action.sa_handler = do_nothing;
  return ::sigaction(kStopSignal, &action, nullptr) == 0;
}

Status pin_thread(pthread_t thread, std::optional<unsigned> cpu) {
  if (!cpu)
    return {};
  cpu_set_t* set = CPU_ALLOC(*cpu + 1);
  const size_t size = CPU_ALLOC_SIZE(*cpu + 1);
  CPU_ZERO_S(size, set);
  CPU_SET_S(*cpu, size, set);
  const int error = ::pthread_setaffinity_np(thread, size, set);
  CPU_FREE(set);
  if (error != 0)
    return fail(fmt::format("cannot pin a listener to CPU {}", *cpu), error);
  return {};
}

}  // namespace

Result<std::unique_ptr<ExecListener>> ExecListener::open(
    ListenerShared& shared, std::optional<unsigned> cpu) {
  auto filter = exec_filter(
      cpu ? std::span(&*cpu, 1) : std::span<const unsigned>(), false);
  auto connector = Connector::open(filter, kSocketBuffer);
  if (!connector)
    return tl::unexpected(connector.error());
  std::unique_ptr<ExecListener> listener(
      new ExecListener(shared, cpu, *std::move(connector)));
  for (size_t i = 0; i < kThreads; ++i) {
    auto ring = ByteRing::create(kRingBytes);
    if (!ring)
      return tl::unexpected(ring.error());
    listener->rings_.push_back(*std::move(ring));
  }
  return listener;
}

Status ExecListener::start(int priority) {
  static const bool kInterruptible = let_stop_signal_interrupt();
  if (!kInterruptible)
    return fail("cannot set a signal handler", errno);
  for (size_t i = 0; i < kThreads; ++i) {
    std::promise<Status> prepared;
    auto ready = prepared.get_future();
    workers_[i].thread = std::thread(
        [this, i, priority, &prepared] { run(i, priority, prepared); });
    if (Status status = ready.get(); !status)
      return status;
  }
  return {};
}

// `prepared` is gone as soon as it has a value.
void ExecListener::run(size_t index, int priority,
                       std::promise<Status>& prepared) {
  Worker& worker = workers_[index];
  Status status = prepare(index, priority);
  const bool good = status.has_value();
  prepared.set_value(std::move(status));
  if (good) {
    released_.wait(false);
    status = confine_ ? confine_() : Status();
    const bool confined = status.has_value();
    worker.confined.set_value(std::move(status));
    if (confined)
      listen(rings_[index]);
  }
  worker.ended = true;
}

Status ExecListener::release(std::function<Status()> confine,
                             uint64_t since_ns) {
  confine_ = std::move(confine);
  since_ns_ = since_ns;
  released_ = true;
  released_.notify_all();
  Status result;
  for (Worker& worker : workers_)
    if (Status confined = worker.confined.get_future().get(); !confined)
      result = std::move(confined);
  return result;
}

Status ExecListener::serve_all_but(std::span<const unsigned> served) {
  auto filter = exec_filter(served, true);
  return connector_.set_filter(filter);
}

bool ExecListener::stop() {
  const auto deadline = std::chrono::steady_clock::now() + kStopPatience;
  stopping_ = true;
  released_ = true;
  released_.notify_all();
  bool all_ended = true;
  for (Worker& worker : workers_) {
    if (!worker.thread.joinable())
      continue;
    // Repeatedly, since a signal may arrive just before recv(2).
    while (!worker.ended && std::chrono::steady_clock::now() < deadline) {
      ::pthread_kill(worker.thread.native_handle(), kStopSignal);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    all_ended = all_ended && worker.ended;
  }
  return all_ended;
}

ExecListener::~ExecListener() {
  while (!stop()) {
  }
  for (Worker& worker : workers_)
    if (worker.thread.joinable())
      worker.thread.join();
}

Status ExecListener::prepare(size_t index, int priority) {
  const std::string name =
      (cpu_ ? fmt::format("exec/{}", *cpu_) : "exec/rest") +
      (index == 0 ? "" : "+");
  ::pthread_setname_np(::pthread_self(), name.c_str());
  if (Status pinned = pin_thread(::pthread_self(), cpu_); !pinned)
    return pinned;
  if (priority > 0) {
    sched_param parameter{};
    parameter.sched_priority = priority;
    scheduling_error_ = ::pthread_setschedparam(
        ::pthread_self(), SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter);
    if (scheduling_error_ == 0)
      return {};
  }
  // On Linux a thread has a nice value of its own; 0 means the caller.
  const bool nice = ::setpriority(PRIO_PROCESS, 0, -20) == 0;
  if (!nice && scheduling_error_ == 0)
    scheduling_error_ = errno;
  scheduling_ =
      std::max(scheduling_, nice ? Scheduling::kNice : Scheduling::kNormal);
  return {};
}

Status ExecListener::pin() {
  for (Worker& worker : workers_)
    if (Status pinned = pin_thread(worker.thread.native_handle(), cpu_);
        !pinned)
      return pinned;
  return {};
}

bool ExecListener::resting() const {
  pollfd waiting{connector_.fd(), POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 0;
}

void ExecListener::listen(ByteRing& ring) {
  SnapshotReader reader(shared_.proc);
  std::array<std::byte, 512> datagram;
  while (!stopping_.load(std::memory_order_relaxed)) {
    const ssize_t n =
        ::recv(connector_.fd(), datagram.data(), datagram.size(), 0);
    if (n >= 0)
      take(std::span(datagram).first(static_cast<size_t>(n)), reader, ring);
    else if (errno == ENOBUFS)
      shared_.metrics.add(Metric::kConnectorOverruns);
  }
}

void ExecListener::take(std::span<const std::byte> datagram,
                        SnapshotReader& reader, ByteRing& ring) {
  const auto message = parse_exec_message(datagram);
  // An older exec is read by the inventory, or its process has ended.
  if (!message || message->monotonic_ns < since_ns_)
    return;
  pulse_.beat();
  const auto room = ring.reserve();
  const auto outcome =
      reader.read(message->pid, message->monotonic_ns, *shared_.watched.load(),
                  room.first(ring_share(room.size())));
  // After a read that hung, what is shared may be gone.
  if (stopping_)
    return;
  const bool full = outcome.length == 0 || outcome.error == ENOBUFS;
  if (full)
    shared_.metrics.add(Metric::kRingFull);
  if (outcome.length > 0)
    ring.commit(outcome.length);
  const bool urgent =
      full || outcome.kind == SnapshotKind::kWatched || ring.used() > kRingHigh;
  if (urgent && shared_.armed.exchange(false))
    shared_.wake.signal();
}

}  // namespace preload
