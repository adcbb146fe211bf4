// SPDX-License-Identifier: Apache-2.0
// Start and end of the pipeline's stages. pipeline.cc is what runs between.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <unistd.h>

#include <utility>

#include "preload/base/exit_code.h"
#include "preload/base/log.h"
#include "preload/base/text.h"
#include "preload/daemon/pipeline.h"
#include "preload/deliver/sinks.h"
#include "preload/procfs/proc_files.h"
#include "preload/sandbox/privileges.h"
#include "preload/sandbox/seccomp.h"

namespace preload {
namespace {

// Parts of the two seconds in which the plugin ends.
constexpr int64_t kLateMs = 300;
constexpr int kLateStepMs = 10;
constexpr int64_t kSettleMs = 700;
constexpr int64_t kRelayStopMs = 700;
constexpr unsigned kRelayPatience = 10;  // see Watchdog::Stage

// In each listener's thread, before its first exec.
Status confine_own_thread() {
  const Status dropped = drop_thread_capabilities(ThreadRole::kListener);
  return dropped ? confine_listener() : dropped;
}

}  // namespace

Pipeline::Pipeline(Config config, std::string config_file, Fd signals,
                   pid_t parent, const Timing& timing)
    : timing_(timing),
      config_(std::move(config)),
      config_file_(std::move(config_file)),
      signals_(std::move(signals)),
      parent_(parent) {}

Status Pipeline::open() {
  auto capture = ExecCapture::open(config_.capture, metrics_);
  if (!capture)
    return tl::unexpected(capture.error());
  capture_ = std::move(*capture);
  return {};
}

Status Pipeline::start_listeners() {
  return capture_->start(config_.realtime_priority, config_.capture_env_vars);
}

Status Pipeline::start() {
  if (Status started = start_history(); !started)
    return started;
  const std::string line =
      fmt::format("capture mode {}{}{}", to_string(capture_->mode()),
                  capture_->reason().empty() ? "" : ": ", capture_->reason());
  log(capture_->reason().empty() ? LogLevel::kInfo : LogLevel::kWarning, line);
  if (Status released = capture_->release(confine_own_thread); !released)
    return released;
  return start_input();
}

Status Pipeline::start_history() {
  auto opened = open_or_recreate(config_.database, clock_, timing_);
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
  std::vector<std::string> names = sink_names(sinks);
  relay_ = std::make_unique<Relay>(
      config_.database, std::move(sinks),
      [this](SinkPosition position) { history_->post(std::move(position)); },
      metrics_, clock_, timing_);
  // Answers only what the history submits.
  enricher_ = std::make_unique<Enricher>(
      user_names_, [this](Facts facts) { history_->post(std::move(facts)); });
  history_ = std::make_unique<HistoryWriter>(
      std::move(*opened), std::move(*rule), config_, config_file_,
      std::move(names), metrics_, clock_,
      HistoryWriter::Outlet{
          [this](const Alert& alert) { return enricher_->submit(alert); },
          [this] { relay_->wake(); },
          [this](uint64_t database) { relay_->database_replaced(database); },
          [this](const Alert& alert) { return relay_->send_unstored(alert); }},
      [this](uint32_t uid) { return user_names_.name_of(uid); }, timing_);
  relay_->start(thread_failed_);
  history_->start(thread_failed_);
  return {};
}

// The lines of the state file that do not change while the plugin runs.
std::string Pipeline::state_lines() const {
  std::string mode(to_string(capture_->mode()));
  if (!capture_->reason().empty())
    mode += fmt::format(" ({})", escaped(capture_->reason()));
  return fmt::format(
      "version: {}\npid: {}\nstarted: {}\nconfiguration: {}\ncapture: {}\n"
      "user: {}, {}\ndatabase: {}\n",
      PRELOAD_VERSION, ::getpid(), iso_time(clock_.wall_us()),
      escaped(config_file_), mode, privileges_text(), confinement_text(),
      escaped(config_.database));
}

Status Pipeline::start_input() {
  auto parser = ExecParser::create();
  if (!parser)
    return tl::unexpected(parser.error());
  parser_ = std::make_unique<ExecParser>(std::move(*parser));
  late_ = std::make_unique<LateReader>(capture_->proc(), capture_->watched());
  correlator_ = std::make_unique<Correlator>(
      clock_, metrics_, *this,
      [this](std::vector<ExecNotice>& notices) { capture_->drain(notices); },
      [this](LateRequest&& request) { return late_->post(std::move(request)); },
      Correlator::Options{config_.audit_wait * kNanosPerSecond});
  assembler_ =
      std::make_unique<Assembler>(clock_, metrics_, *correlator_, *parser_);
  reader_ = std::make_unique<RecordReader>(
      STDIN_FILENO, metrics_,
      [this](std::string_view line) { assembler_->on_record(line); });
  start_inventory(now_ticks());
  start_watchdog();
  files_ = std::make_unique<FileThread>(config_, config_file_, state_lines(),
                                        metrics_, clock_, timing_.report,
                                        thread_failed_);
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
            inventory_pulse_, [this](ExecEventPtr event) {
              history_->post(NewExec{std::move(event)});
            });
        if (!stopping_)
          history_->post(InventoryDone{processes});
        inventory_done_ = true;
      },
      thread_failed_);
}

// The enricher's thread and the log's are not registered: nothing waits for
// them.
void Pipeline::start_watchdog() {
  watchdog_.set_bound(config_.watchdog);
  watchdog_.watch({"input", &input_pulse_});
  watchdog_.watch({"store", &history_->pulse()});
  watchdog_.watch({"relay", &relay_->pulse(), {}, kRelayPatience});
  watchdog_.watch({"inventory", &inventory_pulse_,
                   [this] { return inventory_done_.load(); }});
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
    // Without destructors, which could wait for the stuck stage.
    ::_exit(kExitStuck);
  });
}

// The members end in the order of the data. Before them end the threads that
// post to the history.
Pipeline::~Pipeline() {
  stopping_ = true;
  if (inventory_.joinable())
    inventory_.join();
  watchdog_.stop();
  if (relay_)
    relay_->stop(0);
  if (enricher_)
    enricher_->stop();
}

void Pipeline::stop_with(const std::string& failure) {
  {
    const std::lock_guard lock(failure_mutex_);
    if (failure_.empty())
      failure_ = failure;
  }
  failed_.signal();
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
  // What auditd wrote before it ended is still in the socket. The result does
  // not matter: what was read is handled in any case.
  [[maybe_unused]] const auto state = reader_->drain();
  finish_late_reads();
  assembler_->flush();
  correlator_->finish();
  capture_.reset();
  history_->post(CoverageDeltas{correlator_->take_coverage()});
  history_->settle(kSettleMs);
  relay_->stop(kRelayStopMs);
  enricher_->stop();
  history_->stop();
  files_.reset();
}

}  // namespace preload
