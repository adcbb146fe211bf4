// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/exec_listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "preload/base/clock.h"
#include "preload/capture/proc_event.h"

namespace preload {
namespace {

// Some 5,000 exec messages of 100 bytes with the kernel's overhead, should a
// CPU be kept from its listener for long.
constexpr int kSocketBuffer = 4 << 20;
// Wake the owner although no watched variable was seen.
constexpr size_t kRingHigh = kMaxSnapshot / 64;

// Ends a recv(2); nobody else has a use for it here.
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

// 0 or an errno.
int pin_thread(pthread_t thread, unsigned cpu) {
  cpu_set_t* set = CPU_ALLOC(cpu + 1);
  const size_t size = CPU_ALLOC_SIZE(cpu + 1);
  CPU_ZERO_S(size, set);
  CPU_SET_S(cpu, size, set);
  const int error = ::pthread_setaffinity_np(thread, size, set);
  CPU_FREE(set);
  return error;
}

void signal_event(const Fd& event) {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then it is signalled already.
  [[maybe_unused]] const ssize_t n = ::write(event.get(), &one, sizeof one);
}

}  // namespace

Result<std::unique_ptr<ExecListener>> ExecListener::open(
    ListenerShared& shared, std::optional<unsigned> cpu,
    std::span<const unsigned> served) {
  auto filter =
      cpu ? exec_filter(std::span(&*cpu, 1), false) : exec_filter(served, true);
  auto socket = open_connector(filter, kSocketBuffer);
  if (!socket)
    return tl::unexpected(socket.error());
  auto ring = ByteRing::create(kRingBytes);
  if (!ring)
    return tl::unexpected(ring.error());
  std::unique_ptr<ExecListener> listener(
      new ExecListener(shared, cpu, std::move(*socket), std::move(*ring)));
  listener->pulse_ = std::make_shared<Pulse>();
  return listener;
}

Result<std::unique_ptr<ExecListener>> ExecListener::open_beside(
    const ExecListener& first) {
  Fd socket(::fcntl(first.socket_.get(), F_DUPFD_CLOEXEC, 0));
  if (!socket)
    return fail("cannot share a connector socket", errno);
  auto ring = ByteRing::create(kRingBytes);
  if (!ring)
    return tl::unexpected(ring.error());
  std::unique_ptr<ExecListener> listener(new ExecListener(
      first.shared_, first.cpu_, std::move(socket), std::move(*ring)));
  listener->pulse_ = first.pulse_;
  listener->beside_ = true;
  return listener;
}

Status ExecListener::start(int priority) {
  static const bool kInterruptible = let_stop_signal_interrupt();
  if (!kInterruptible)
    return fail("cannot set a signal handler", errno);
  std::promise<Status> prepared;
  auto ready = prepared.get_future();
  std::promise<Status> confined;
  confined_ = confined.get_future();
  thread_ = std::thread([this, priority, &prepared,
                         confined = std::move(confined)]() mutable {
    Status status = prepare(priority);
    const bool good = status.has_value();
    prepared.set_value(std::move(status));  // the promise is gone after this
    if (good) {
      released_.wait(false);
      status = confine_ ? confine_() : Status();
      const bool confined_well = status.has_value();
      confined.set_value(std::move(status));
      if (confined_well)
        run();
    }
    ended_ = true;
  });
  return ready.get();
}

Status ExecListener::release(std::function<Status()> confine,
                             uint64_t since_ns) {
  confine_ = std::move(confine);
  since_ns_ = since_ns;
  released_ = true;
  released_.notify_one();
  return confined_.get();
}

Status ExecListener::serve_all_but(std::span<const unsigned> served) {
  auto filter = exec_filter(served, true);
  return set_filter(socket_, filter);
}

bool ExecListener::stop() {
  if (!thread_.joinable())
    return true;
  const auto deadline = std::chrono::steady_clock::now() + kStopPatience;
  stopping_ = true;
  released_ = true;
  released_.notify_one();
  // Again and again, since one could come just before recv(2).
  while (!ended_ && std::chrono::steady_clock::now() < deadline) {
    ::pthread_kill(thread_.native_handle(), kStopSignal);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return ended_;
}

ExecListener::~ExecListener() {
  if (thread_.joinable()) {
    while (!stop()) {
    }
    thread_.join();
  }
  if (!beside_)
    close_connector(std::move(socket_));
}

Status ExecListener::prepare(int priority) {
  const std::optional<unsigned> cpu = cpu_;
  std::string name = cpu ? fmt::format("exec/{}", *cpu) : "exec/rest";
  if (beside_)
    name += '+';
  ::pthread_setname_np(::pthread_self(), name.c_str());
  if (cpu) {
    if (const int error = pin_thread(::pthread_self(), *cpu); error != 0)
      return fail(fmt::format("cannot pin a listener to CPU {}", *cpu), error);
  }
  if (priority > 0) {
    sched_param parameter{};
    parameter.sched_priority = priority;
    scheduling_error_ = ::pthread_setschedparam(
        ::pthread_self(), SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter);
    if (scheduling_error_ == 0) {
      scheduling_ = Scheduling::kRealtime;
      return {};
    }
  }
  // On Linux a thread has a nice value of its own; 0 means the caller.
  if (::setpriority(PRIO_PROCESS, 0, -20) == 0) {
    scheduling_ = Scheduling::kNice;
  } else if (scheduling_error_ == 0) {
    scheduling_error_ = errno;
  }
  return {};
}

Status ExecListener::pin() {
  const int error = cpu_ ? pin_thread(thread_.native_handle(), *cpu_) : 0;
  if (error != 0)
    return fail(fmt::format("cannot pin a listener to CPU {}", *cpu_), error);
  return {};
}

bool ExecListener::resting() const {
  pollfd waiting{socket_.get(), POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 0;
}

void ExecListener::run() {
  std::array<std::byte, 512> datagram;
  while (!stopping_.load(std::memory_order_relaxed)) {
    const ssize_t n =
        ::recv(socket_.get(), datagram.data(), datagram.size(), 0);
    if (n >= 0)
      take(std::span(datagram).first(static_cast<size_t>(n)));
    else if (errno == ENOBUFS)
      shared_.metrics.add(Metric::kConnectorOverruns);
  }
}

void ExecListener::take(std::span<const std::byte> datagram) {
  const auto message = parse_exec_message(datagram);
  // One from before our time is the inventory's, or has ended.
  if (!message || message->monotonic_ns < since_ns_)
    return;
  pulse_->beat();
  const WatchList* watched = acquire_list();
  const auto room = ring_.reserve();
  const auto outcome =
      reader_.read(message->pid, message->monotonic_ns, *watched,
                   room.first(ring_share(room.size())));
  // After a read that hung, what is shared may be gone.
  if (stopping_)
    return;
  hazard_.store(nullptr);
  const bool full = outcome.length == 0 || outcome.error == ENOBUFS;
  if (full)
    shared_.metrics.add(Metric::kRingFull);
  if (outcome.length > 0)
    ring_.commit(outcome.length);
  const bool urgent = full || outcome.kind == SnapshotKind::kWatched ||
                      ring_.used() > kRingHigh;
  if (urgent && shared_.armed.exchange(false))
    signal_event(shared_.wake);
}

// The hazard pointer is set before the list is loaded again, so the owner
// either sees it or has stored a newer list, which we then see.
const WatchList* ExecListener::acquire_list() {
  while (true) {
    const WatchList* list = shared_.watched.load();
    hazard_.store(list);
    if (shared_.watched.load() == list)
      return list;
  }
}

}  // namespace preload
