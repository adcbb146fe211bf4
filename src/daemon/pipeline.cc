// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/pipeline.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "preload/base/emergency_log.h"
#include "preload/base/log.h"
#include "preload/base/text.h"
#include "preload/base/thread.h"
#include "preload/daemon/options.h"
#include "preload/daemon/signals.h"
#include "preload/deliver/sinks.h"
#include "preload/detect/loader_options.h"

namespace preload {
namespace {

// How long records are left to gather after the first has woken us. Reading
// each as it comes costs a wake-up apiece. The socket holds some 240 of them,
// auditd's own queue 2000 more: after a batch that was large they gather less,
// or not at all.
constexpr int64_t kGatherNs = 12 * kNanosPerMilli;
constexpr int64_t kGatherLessNs = 4 * kNanosPerMilli;
constexpr size_t kLargeBytes = size_t{8} << 10;
constexpr size_t kHugeBytes = size_t{24} << 10;
// From an exec to its decision, with audit_wait and a slow database.
constexpr uint64_t kUndecidedSeconds = 15;
// The watchdog wants a sign of life.
constexpr int64_t kBeatMs = 1'000;
// Of the two seconds that an end may take.
constexpr int64_t kLateMs = 300;
constexpr int kLateStepMs = 10;
constexpr int64_t kSettleMs = 700;
constexpr int64_t kRelayStopMs = 700;
// An output may hang with its file system, and starting again does not mend
// that; so the relay has longer than the others.
constexpr unsigned kRelayPatience = 10;

std::vector<std::string> names_of(const Relay::Sinks& sinks) {
  std::vector<std::string> names;
  for (const auto& sink : sinks)
    names.emplace_back(sink->name());
  return names;
}

}  // namespace

Pipeline::Pipeline(Config config, std::string config_file, int input,
                   Fd signals, pid_t parent, const Timing& timing)
    : timing_(timing),
      config_(std::move(config)),
      config_file_(std::move(config_file)),
      input_(input),
      signals_(std::move(signals)),
      parent_(parent),
      failed_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      started_us_(clock_.wall_us()) {}

Result<std::unique_ptr<Pipeline>> Pipeline::open(const Config& config,
                                                 std::string config_file,
                                                 int input, Fd signals,
                                                 pid_t parent,
                                                 const Timing& timing) {
  std::unique_ptr<Pipeline> pipeline(
      new Pipeline(config, std::move(config_file), input, std::move(signals),
                   parent, timing));
  auto capture = ExecCapture::open(config.capture, pipeline->metrics_);
  if (!capture)
    return tl::unexpected(capture.error());
  pipeline->capture_ = std::move(*capture);
  return pipeline;
}

Status Pipeline::start_listeners() {
  return capture_->start(config_.realtime_priority, config_.capture_env_vars);
}

Status Pipeline::start(StateLines standing,
                       const std::function<Status()>& confine) {
  standing_ = std::move(standing);
  if (Status started = start_history(); !started)
    return started;
  const std::string line =
      fmt::format("capture mode {}{}{}", to_string(capture_->mode()),
                  capture_->reason().empty() ? "" : ": ", capture_->reason());
  log(capture_->reason().empty() ? LogLevel::kInfo : LogLevel::kWarning, line);
  if (Status released = capture_->release(confine); !released)
    return released;
  return start_input();
}

Status Pipeline::start_history() {
  auto opened = open_or_recreate(config_.database, clock_);
  if (!opened)
    return tl::unexpected(opened.error());
  Store& store = *opened->store;
  auto rule = make_rule(config_, config_file_, store.created_at_us());
  if (!rule)
    return tl::unexpected(rule.error());
  const auto baseline_taken = store.reached(Milestone::kBaselineTaken);
  if (!baseline_taken)
    return tl::unexpected(baseline_taken.error());
  rule->inventory_is_baseline = !*baseline_taken;
  auto sinks = make_sinks(config_, clock_);
  std::vector<std::string> names = names_of(sinks);
  const auto failed = [this](const std::string& what) {
    fail_from_thread(what);
  };
  relay_ = std::make_unique<Relay>(
      config_.database, std::move(sinks),
      [this](SinkPosition position) { history_->post(std::move(position)); },
      metrics_, clock_,
      Backoff{timing_.sink_retry / kNanosPerMilli,
              timing_.sink_retry_most / kNanosPerMilli},
      failed);
  history_ = std::make_unique<HistoryWriter>(
      std::move(*opened), std::move(*rule), config_, config_file_,
      std::move(names), metrics_, clock_,
      HistoryWriter::Outlet{
          [this](const Alert& alert) { return enricher_.submit(alert); },
          [this] { relay_->wake(); },
          [this](uint64_t database) { relay_->database_replaced(database); },
          [this](const Alert& alert) { return relay_->send_unstored(alert); }},
      [this](uint32_t uid) { return user_names_.name_of(uid); }, failed,
      timing_);
  return {};
}

Status Pipeline::start_input() {
  auto parser = ExecParser::create();
  if (!parser)
    return tl::unexpected(parser.error());
  parser_ = std::make_unique<ExecParser>(std::move(*parser));
  late_ = std::make_unique<LateReader>(capture_->proc(), capture_->watched());
  correlator_ = std::make_unique<Correlator>(
      clock_, metrics_, *this,
      [this](std::vector<Exec>& execs) {
        capture_->drain([&](const ExecNotice& notice,
                            std::unique_ptr<ExecSnapshot> snapshot) {
          execs.push_back(exec_of(notice, std::move(snapshot)));
        });
      },
      [this](LateRequest&& request) { return late_->post(std::move(request)); },
      Correlator::Options{config_.audit_wait * kNanosPerSecond});
  assembler_ =
      std::make_unique<Assembler>(clock_, metrics_, *correlator_, *parser_);
  reader_ = std::make_unique<RecordReader>(
      input_, metrics_,
      [this](std::string_view line) { assembler_->on_record(line); });
  start_inventory(now_ticks());
  start_watchdog();
  write_state();
  log_info(fmt::format(
      "audisp-preload {} watches {} and keeps history in {}", PRELOAD_VERSION,
      fmt::join(config_.capture_env_vars, ", "), config_.database));
  return {};
}

// The programs that run already, apart from those that the listeners see.
void Pipeline::start_inventory(uint64_t before_ticks) {
  inventory_done_ = false;
  inventory_ = start_thread(
      "inventory",
      [this, names = config_.capture_env_vars, before_ticks] {
        const WatchList watched(names);
        const size_t processes = take_inventory(
            capture_->proc(), watched, before_ticks, clock_, stopping_,
            inventory_pulse_,
            [this](ExecEventPtr event) { history_->post(NewExec{*event}); });
        if (!stopping_)
          history_->post(InventoryDone{processes});
        inventory_done_ = true;
      },
      [this](const std::string& what) { fail_from_thread(what); });
}

// Which stage may be silent for how long, see BOUNDS in the manual. Not watched
// are the enricher's thread and the log's, for which nobody waits.
void Pipeline::start_watchdog() {
  watchdog_.set_bound(config_.watchdog);
  watches_.push_back(watchdog_.watch({"input", &input_pulse_}));
  watches_.push_back(watchdog_.watch({"store", &history_->pulse()}));
  watches_.push_back(
      watchdog_.watch({"relay", &relay_->pulse(), {}, kRelayPatience}));
  watches_.push_back(watchdog_.watch({"inventory", &inventory_pulse_, [this] {
                                        return inventory_done_.load();
                                      }}));
  capture_->register_with(watchdog_);
  watchdog_.start([](const Watchdog::Stuck& stuck) {
    const std::string what = fmt::format(
        "stage {} has made no progress for {} s", stuck.name, stuck.seconds);
    if (!stuck.fatal) {
      log_limited(LogLevel::kError, "stage-silent",
                  what + ": an output hangs; alerts wait in the database");
      return;
    }
    emergency_log(
        what +
        ": the process ends (exit status 6), so that auditd starts it "
        "again");
    // Nothing that a stuck stage could hold up.
    ::_exit(kExitStuck);
  });
}

Pipeline::~Pipeline() {
  stopping_ = true;
  // Stages end in the order of the data; the relay and the enricher post to the
  // history until they have ended.
  if (inventory_.joinable())
    inventory_.join();
  watches_.clear();
  reader_.reset();
  assembler_.reset();
  correlator_.reset();
  capture_.reset();
  if (relay_)
    relay_->stop(0);
  enricher_.stop();
  history_.reset();
  relay_.reset();
}

Status Pipeline::run() {
  while (wait_and_read() == Turn::kGoOn)
    keep_time();
  shut_down();
  const std::lock_guard lock(failure_mutex_);
  return failure_.empty() ? Status() : fail(failure_);
}

// While records gather, neither they nor the listeners wake us: what comes is
// taken with them.
Pipeline::Turn Pipeline::wait_and_read() {
  input_pulse_.beat();
  const bool gathering = gather_until_ns_ != 0;
  const bool quiet = gathering || capture_->arm();
  std::array<pollfd, 5> wait{{{gathering ? -1 : input_, POLLIN, 0},
                              {signals_.get(), POLLIN, 0},
                              {failed_.get(), POLLIN, 0},
                              {gathering ? -1 : capture_->wake_fd(), POLLIN, 0},
                              {late_->fd(), POLLIN, 0}}};
  const int ready =
      ::poll(wait.data(), wait.size(), quiet ? wait_milliseconds() : 0);
  if (ready < 0 && errno != EINTR) {
    fail_from_thread("cannot wait for audit records: " +
                     std::generic_category().message(errno));
    return Turn::kStop;
  }
  if (wait[2].revents != 0)
    return Turn::kStop;
  if (wait[1].revents != 0 && handle_signals() == Turn::kStop)
    return Turn::kStop;
  if (wait[3].revents != 0)
    capture_->clear_wake();
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
    fail_from_thread("cannot read audit records: " + state.error().message());
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
      reload();
      break;
    case SignalMeaning::kReport:
      write_state();
      write_metrics(config_, metrics_);
      break;
    case SignalMeaning::kStop:
      return Turn::kStop;
  }
  return Turn::kGoOn;
}

int Pipeline::wait_milliseconds() {
  int64_t due = gather_until_ns_;
  if (due == 0) {
    due = std::min({coverage_due_ns_, report_due_ns_, preload_file_.due_ns()});
    for (const auto deadline :
         {correlator_->deadline_ns(), assembler_->deadline_ns(),
          late_->deadline_ns()})
      due = std::min(due, deadline.value_or(due));
  }
  const int64_t left = due - clock_.monotonic_ns();
  // Up, or we would wake a moment too early.
  return static_cast<int>(
      std::clamp<int64_t>(left / kNanosPerMilli + 1, 0, kBeatMs));
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
  if (now_ns >= report_due_ns_) {
    report_due_ns_ = now_ns + timing_.report;
    write_metrics(config_, metrics_);
  }
}

// ---- What the correlator gives

void Pipeline::on_exec(ExecEventPtr event) {
  if (event->origin == Origin::kUnaudited &&
      config_.unaudited == UnauditedPolicy::kIgnore)
    return;
  if (event->user.empty()) {
    if (std::string user = enricher_.name_if_known(event->uid); !user.empty()) {
      ExecEvent named = *event;
      named.user = std::move(user);
      event = std::make_shared<const ExecEvent>(std::move(named));
    }
  }
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
    relay_->send_event(*event);
  history_->post(NewExec{*event});
}

void Pipeline::on_missed(ExecEventPtr event) {
  history_->post(MissedExec{*event});
}

void Pipeline::on_preload_file(ExecEventPtr event) {
  preload_file_.fired(std::move(event), clock_.monotonic_ns());
}

// ---- Signals

void Pipeline::reload() {
  relay_->reopen();  // logrotate's wish, whatever becomes of the rest
  auto config = load_config(config_file_);
  if (config) {
    if (const auto rule = make_rule(*config, config_file_, 0); !rule)
      config = tl::unexpected(rule.error());
  }
  if (!config) {
    log_error("reload refused, the old configuration stays: " +
              config.error().message());
    return;
  }
  for (const std::string& key : restart_keys(config_, *config))
    log_warning(
        fmt::format("{} has changed, which takes effect when the "
                    "plugin is started again",
                    key));
  keep_restart_keys(config_, *config);
  config_ = std::move(*config);
  capture_->set_watched(config_.capture_env_vars);
  late_->set_watched(capture_->watched());
  correlator_->set_options({config_.audit_wait * kNanosPerSecond});
  auto sinks = make_sinks(config_, clock_);
  history_->post(NewConfig{config_, names_of(sinks)});
  relay_->set_sinks(std::move(sinks));
  watchdog_.set_bound(config_.watchdog);
  log_info("configuration reloaded from " + config_file_);
}

void Pipeline::write_state() const {
  write_state_file(config_, config_file_, started_us_, *capture_, standing_,
                   metrics_);
}

// ---- The end

void Pipeline::fail_from_thread(const std::string& what) {
  {
    const std::lock_guard lock(failure_mutex_);
    if (failure_.empty())
      failure_ = what;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(failed_.get(), &one, sizeof one);
}

// What is not read by then counts as missed.
void Pipeline::finish_late_reads() {
  const int64_t until_ns = clock_.monotonic_ns() + kLateMs * kNanosPerMilli;
  while (late_->pending() > 0 && clock_.monotonic_ns() < until_ns) {
    pollfd wait{late_->fd(), POLLIN, 0};
    ::poll(&wait, 1, kLateStepMs);
    take_late_results();
  }
  late_->close();
  take_late_results();
}

void Pipeline::shut_down() {
  stopping_ = true;
  inventory_.join();
  // What auditd wrote before it went is still in the socket. What has come is
  // told even when no more can be read.
  [[maybe_unused]] const auto state = reader_->drain();
  finish_late_reads();
  assembler_->flush();
  correlator_->finish();
  capture_.reset();
  history_->post(CoverageDeltas{correlator_->take_coverage()});
  history_->settle(kSettleMs);
  relay_->stop(kRelayStopMs);
  enricher_.stop();
  history_->stop();
  write_metrics(config_, metrics_);
  ::unlink(config_.state_file.c_str());
}

}  // namespace preload
