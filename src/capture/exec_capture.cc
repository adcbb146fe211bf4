// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/exec_capture.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "preload/base/log.h"
#include "preload/base/text.h"
#include "preload/base/trusted_file.h"
#include "preload/capture/proc_event.h"

namespace preload {
namespace {

constexpr const char* kOnlineCpus = "/sys/devices/system/cpu/online";
// NR_CPUS of distributions; more would outgrow the filter of the catch-all.
constexpr unsigned kMaxCpus = 2000;

std::vector<unsigned> online_cpus() {
  const Fd file(::open(kOnlineCpus, O_RDONLY | O_CLOEXEC));
  return parse_cpu_list(read_all(file, 4096, kOnlineCpus).value_or(""));
}

}  // namespace

std::string_view to_string(CaptureMode mode) {
  constexpr std::array<std::string_view, 3> kWords{"audit", "nice", "realtime"};
  return kWords.at(static_cast<size_t>(mode));
}

std::vector<unsigned> parse_cpu_list(std::string_view text) {
  std::vector<unsigned> cpus;
  while (text.ends_with('\n'))
    text.remove_suffix(1);
  for (const std::string& part : split(text, ',')) {
    const size_t dash = part.find('-');
    const auto first = parse_unsigned(std::string_view(part).substr(0, dash));
    const auto last =
        dash == std::string::npos
            ? first
            : parse_unsigned(std::string_view(part).substr(dash + 1));
    if (!first || !last || *last >= kMaxCpus)
      continue;
    for (uint64_t cpu = *first; cpu <= *last; ++cpu)
      cpus.push_back(static_cast<unsigned>(cpu));
  }
  return cpus;
}

Result<std::unique_ptr<ExecCapture>> ExecCapture::open(CaptureChoice choice,
                                                       Metrics& metrics) {
  std::unique_ptr<ExecCapture> capture(new ExecCapture(choice, metrics));
  auto proc = SnapshotReader::open_proc();
  if (!proc)
    return tl::unexpected(proc.error());
  capture->shared_.proc = std::move(*proc);
  if (!capture->shared_.wake)
    return fail("cannot create an eventfd", errno);
  if (choice == CaptureChoice::kAudit) {
    capture->reason_ = "configured: capture = audit";
    return capture;
  }
  if (const Status opened = capture->open_listeners(); !opened)
    if (const Status goes_on = capture->do_without(opened.error()); !goes_on)
      return tl::unexpected(goes_on.error());
  return capture;
}

// A thread that hangs is left behind with what it uses: the process is about to
// end, and that ends it.
ExecCapture::~ExecCapture() {
  bool hangs = false;
  for (auto& listener : listeners_) {
    const bool stopped = listener->stop();
    if (watchdog_ != nullptr)
      watchdog_->forget(listener->pulse());
    if (stopped)
      continue;
    hangs = true;
    static_cast<void>(listener.release());
  }
  if (hangs)
    for (auto& list : lists_)
      static_cast<void>(list.release());
}

Status ExecCapture::open_listeners() {
  if (auto probed = probe_connector(); !probed)
    return probed;
  online_ = online_cpus();
  std::vector<std::optional<unsigned>> cpus(online_.begin(), online_.end());
  cpus.push_back(std::nullopt);
  for (const std::optional<unsigned> cpu : cpus) {
    auto listener = ExecListener::open(shared_, cpu);
    if (!listener)
      return tl::unexpected(listener.error());
    listeners_.push_back(*std::move(listener));
  }
  return {};
}

Status ExecCapture::do_without(const Error& why) {
  listeners_.clear();
  reason_ = why.message();
  if (choice_ == CaptureChoice::kConnector)
    return fail("capture = connector, but " + reason_ +
                ". Remove the cause, or set capture = auto to go on with "
                "late reads");
  return {};
}

Status ExecCapture::start(int realtime_priority,
                          std::span<const std::string> watched) {
  set_watched(watched);
  if (!listeners_.empty()) {
    if (const Status started = start_listeners(realtime_priority); started)
      determine_mode(realtime_priority);
    else if (Status goes_on = do_without(started.error()); !goes_on)
      return goes_on;
  }
  shared_.metrics.set(Metric::kCaptureMode, static_cast<uint64_t>(mode_));
  return {};
}

// The catch-all is last, and serves what no other listener does.
Status ExecCapture::start_listeners(int realtime_priority) {
  std::vector<unsigned> served;
  std::erase_if(listeners_, [&](const auto& listener) {
    const auto cpu = listener->cpu();
    if (!cpu)
      return false;
    const Status started = listener->start(realtime_priority);
    if (started)
      served.push_back(*cpu);
    else  // a cpuset may keep us off this CPU
      reason_ = started.error().message();
    return !started;
  });
  ExecListener& rest = *listeners_.back();
  if (Status all = rest.serve_all_but(served); !all)
    return all;
  return rest.start(realtime_priority);
}

Status ExecCapture::release(const std::function<Status()>& confine) {
  const auto now_ns = static_cast<uint64_t>(SystemClock().monotonic_ns());
  for (const auto& listener : listeners_)
    if (Status released = listener->release(confine, now_ns); !released)
      return released;
  return {};
}

void ExecCapture::determine_mode(int realtime_priority) {
  mode_ = reason_.empty() ? CaptureMode::kRealtime : CaptureMode::kNice;
  for (const auto& listener : listeners_) {
    if (listener->scheduling() == Scheduling::kRealtime)
      continue;
    mode_ = CaptureMode::kNice;
    if (realtime_priority == 0) {
      reason_ = "configured: realtime_priority = 0";
    } else {
      reason_ = fmt::format(
          "SCHED_FIFO refused: {}. On systemd machines auditd.service needs "
          "RestrictRealtime=no (drop-in 50-audisp-preload.conf) and a restart "
          "of auditd; elsewhere CAP_SYS_NICE or RLIMIT_RTPRIO",
          std::generic_category().message(listener->scheduling_error()));
    }
    if (listener->scheduling() == Scheduling::kNormal)
      reason_ += "; nice -20 refused as well, so more will be missed";
  }
}

bool ExecCapture::arm() {
  shared_.armed.store(true);
  for (const auto& listener : listeners_)
    for (const ByteRing& ring : listener->rings())
      if (ring.used() > 0)
        return false;
  return true;
}

void ExecCapture::clear_wake() {
  shared_.wake.clear();
}

void ExecCapture::drain(std::vector<ExecNotice>& notices) {
  shared_.armed.store(false);
  for (const auto& listener : listeners_) {
    for (ByteRing& ring : listener->rings()) {
      while (const auto message = ring.front()) {
        if (auto notice = parse_notice(*message)) {
          if (notice->snapshot && notice->snapshot->env_truncated)
            shared_.metrics.add(Metric::kSnapshotsTruncated);
          notices.push_back(*std::move(notice));
        }
        ring.release();
      }
    }
  }
}

void ExecCapture::register_with(Watchdog& watchdog) {
  watchdog_ = &watchdog;
  for (const auto& listener : listeners_)
    watchdog.watch({listener->cpu()
                        ? fmt::format("listener of CPU {}", *listener->cpu())
                        : "listener of the other CPUs",
                    &listener->pulse(),
                    [&listener = *listener] { return listener.resting(); }});
}

void ExecCapture::follow_cpus() {
  if (listeners_.empty())
    return;
  std::vector<unsigned> online = online_cpus();
  if (online.empty() || online == online_)
    return;
  const std::vector<unsigned> before =
      std::exchange(online_, std::move(online));
  const auto has = [](const std::vector<unsigned>& cpus, unsigned cpu) {
    return std::find(cpus.begin(), cpus.end(), cpu) != cpus.end();
  };
  for (const auto& listener : listeners_) {
    const auto cpu = listener->cpu();
    if (!cpu || has(before, *cpu) == has(online_, *cpu))
      continue;
    if (!has(online_, *cpu)) {
      log_info(
          fmt::format("CPU {} has gone offline; its listener waits", *cpu));
    } else if (const Status pinned = listener->pin(); pinned) {
      log_info(
          fmt::format("CPU {} is back; its listener is pinned again", *cpu));
    } else {
      log_error(pinned.error().message() +
                "; execs on this CPU are read late or missed");
    }
  }
}

void ExecCapture::set_watched(std::span<const std::string> names) {
  auto next = std::make_unique<WatchList>(names);
  if (!lists_.empty() && *next == *lists_.back())
    return;
  shared_.watched.store(next.get());
  lists_.push_back(std::move(next));
}

}  // namespace preload
