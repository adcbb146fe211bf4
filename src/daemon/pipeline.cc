// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/pipeline.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "preload/base/log.h"
#include "preload/base/text.h"
#include "preload/daemon/signals.h"
#include "preload/deliver/sinks.h"
#include "preload/detect/loader_options.h"
#include "preload/procfs/proc_files.h"

namespace preload {
namespace {

// How long records gather after the first one has ended a wait: reading each as
// it arrives costs one wake-up per record. The socket holds some 240 of them
// and auditd's own queue 2000 more, so after a large batch they gather for a
// shorter time or not at all.
constexpr int64_t kGatherNs = 12 * kNanosPerMilli;
constexpr int64_t kGatherLessNs = 4 * kNanosPerMilli;
constexpr size_t kLargeBytes = size_t{8} << 10;
constexpr size_t kHugeBytes = size_t{24} << 10;
// The most from an exec to its decision: audit_wait and a slow database.
constexpr uint64_t kUndecidedSeconds = 15;
// Longest wait, since the watchdog expects a beat each second.
constexpr int64_t kBeatNs = kNanosPerSecond;

}  // namespace

Status Pipeline::run() {
  while (wait_and_read() == Turn::kGoOn)
    keep_time();
  shut_down();
  const std::lock_guard lock(failure_mutex_);
  if (failure_.empty())
    return {};
  return fail(failure_ +
              "; the plugin ends (exit status 5), and auditd starts it again");
}

// While records gather, neither they nor the listeners end the wait: what
// arrives is handled with them.
Pipeline::Turn Pipeline::wait_and_read() {
  input_pulse_.beat();
  const bool gathering = gather_until_ns_ != 0;
  const bool quiet = gathering || capture_->arm();
  std::array<pollfd, 6> wait{{{gathering ? -1 : STDIN_FILENO, POLLIN, 0},
                              {signals_.get(), POLLIN, 0},
                              {failed_.get(), POLLIN, 0},
                              {gathering ? -1 : capture_->wake_fd(), POLLIN, 0},
                              {late_->fd(), POLLIN, 0},
                              {files_->fd(), POLLIN, 0}}};
  const timespec timeout = quiet ? wait_time() : timespec{};
  const int ready = ::ppoll(wait.data(), wait.size(), &timeout, nullptr);
  if (ready < 0 && errno != EINTR) {
    stop_with("cannot wait for audit records: " +
              std::generic_category().message(errno));
    return Turn::kStop;
  }
  if (wait[2].revents != 0)
    return Turn::kStop;
  if (wait[1].revents != 0 && handle_signals() == Turn::kStop)
    return Turn::kStop;
  if (wait[3].revents != 0)
    capture_->clear_wake();
  if (wait[5].revents != 0)
    if (auto reloaded = files_->take())
      use_configuration(*std::move(reloaded));
  Turn turn = Turn::kGoOn;
  if (wait[0].revents != 0)
    gather_until_ns_ = clock_.monotonic_ns() + gather_ns();
  if (gather_until_ns_ != 0 && clock_.monotonic_ns() >= gather_until_ns_)
    turn = read_records();
  take_late_results();
  assembler_->expire();
  if (gather_until_ns_ == 0)
    correlator_->advance();
  return turn;
}

int64_t Pipeline::gather_ns() const {
  // Without listeners each moment loses environments.
  if (capture_->mode() == CaptureMode::kAudit || last_bytes_ >= kHugeBytes)
    return 0;
  return last_bytes_ < kLargeBytes ? kGatherNs : kGatherLessNs;
}

Pipeline::Turn Pipeline::read_records() {
  gather_until_ns_ = 0;
  const auto state = reader_->drain();
  last_bytes_ = reader_->last_bytes();
  if (!state) {
    stop_with("cannot read audit records: " + state.error().message());
    return Turn::kStop;
  }
  return *state == ReadState::kEndOfFile ? Turn::kStop : Turn::kGoOn;
}

void Pipeline::take_late_results() {
  for (LateResult& result : late_->take()) {
    if (result.request.what != LateRequest::What::kPreloadFile) {
      correlator_->on_late_result(std::move(result));
    } else if (result.entries) {
      if (auto event = preload_file_.take(*std::move(result.entries), clock_))
        give(std::move(event));
    }
  }
}

Pipeline::Turn Pipeline::handle_signals() {
  switch (next_signal(signals_, parent_)) {
    case SignalMeaning::kNone:
      break;
    case SignalMeaning::kReload:
      relay_->reopen();  // for logrotate, even if the configuration is refused
      files_->reload();
      break;
    case SignalMeaning::kReport:
      files_->report();
      break;
    case SignalMeaning::kStop:
      return Turn::kStop;
  }
  return Turn::kGoOn;
}

timespec Pipeline::wait_time() {
  int64_t due = gather_until_ns_;
  if (due == 0) {
    due = std::min(coverage_due_ns_, preload_file_.due_ns());
    for (const auto deadline :
         {correlator_->deadline_ns(), assembler_->deadline_ns(),
          late_->deadline_ns()})
      due = std::min(due, deadline.value_or(due));
  }
  const int64_t left =
      std::clamp<int64_t>(due - clock_.monotonic_ns(), 0, kBeatNs);
  return {left / kNanosPerSecond, left % kNanosPerSecond};
}

void Pipeline::keep_time() {
  const int64_t now_ns = clock_.monotonic_ns();
  if (now_ns >= coverage_due_ns_) {
    coverage_due_ns_ = now_ns + timing_.coverage;
    capture_->follow_cpus();
    auto deltas = correlator_->take_coverage();
    if (!deltas.empty())
      history_->post(CoverageDeltas{std::move(deltas)});
  }
  if (inventory_done_ && history_->take_inventory_wanted()) {
    inventory_.join();
    // The execs of the last seconds are on their way to a decision, or had one
    // against the new database.
    start_inventory(now_ticks(kUndecidedSeconds));
  }
  if (now_ns >= preload_file_.due_ns()) {
    preload_file_.reading(now_ns);
    // Refused: the next time.
    (void)late_->post(
        {LateRequest::What::kPreloadFile, 0, 0, std::string(kPreloadFile), 0});
  }
}

// ---- What the correlator gives

void Pipeline::on_exec(ExecEventPtr event) {
  if (event->origin == Origin::kUnaudited &&
      config_.unaudited == UnauditedPolicy::kIgnore)
    return;
  // A loader's options stand for variables; it may have both.
  const auto watched = [this](std::string_view name) {
    return capture_->watched().matches(name);
  };
  if (auto loader = loader_event(*event, watched))
    give(std::make_shared<const ExecEvent>(*std::move(loader)));
  if (!event->env.empty())
    give(std::move(event));
}

void Pipeline::give(ExecEventPtr event) {
  if (config_.ecs_events == EcsEvents::kAll)
    relay_->send_event(event);
  history_->post(NewExec{std::move(event)});
}

std::string Pipeline::user_name(uint32_t uid) {
  return enricher_->name_if_known(uid);
}

void Pipeline::on_missed(ExecEventPtr event) {
  history_->post(MissedExec{std::move(event)});
}

void Pipeline::on_preload_file(ExecEventPtr event) {
  preload_file_.fired(std::move(event), clock_.monotonic_ns());
}

void Pipeline::use_configuration(Reloaded&& reloaded) {
  config_ = std::move(reloaded.config);
  capture_->set_watched(config_.capture_env_vars);
  late_->set_watched(capture_->watched());
  correlator_->set_options({config_.audit_wait * kNanosPerSecond});
  history_->post(NewConfig{config_, sink_names(reloaded.sinks)});
  relay_->set_sinks(std::move(reloaded.sinks));
  watchdog_.set_bound(config_.watchdog);
  log_info("configuration reloaded from " + config_file_);
}

}  // namespace preload
