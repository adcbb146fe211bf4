// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/file_thread.h"

#include <unistd.h>

#include <chrono>
#include <string_view>
#include <utility>

#include "preload/base/log.h"
#include "preload/base/text.h"
#include "preload/base/trusted_file.h"
#include "preload/deliver/reports.h"
#include "preload/deliver/sinks.h"
#include "preload/detect/new_terms.h"

namespace preload {
namespace {

void write_report(const std::string& path, std::string_view what,
                  const std::string& content) {
  constexpr unsigned kMode = 0644;
  if (const Status written = replace_file(path, content, kMode); !written)
    log_limited(
        LogLevel::kWarning, what,
        "cannot write " + std::string(what) + ": " + written.error().message());
}

}  // namespace

FileThread::FileThread(Config config, std::string config_file,
                       std::string facts, const Metrics& metrics,
                       const Clock& clock, int64_t report_ns,
                       ThreadFailed failed)
    : config_(std::move(config)),
      config_file_(std::move(config_file)),
      facts_(std::move(facts)),
      metrics_(metrics),
      clock_(clock),
      report_ns_(report_ns) {
  write_state(metrics_.snapshot());
  thread_ = start_thread(
      "files", [this] { run(); }, std::move(failed));
}

FileThread::~FileThread() {
  want(&Wanted::stop);
  thread_.join();
  write_metrics(metrics_.snapshot());
  ::unlink(config_.state_file.c_str());
}

void FileThread::want(bool Wanted::*what) {
  const std::lock_guard lock(mutex_);
  wanted_.*what = true;
  changed_.notify_one();
}

std::optional<Reloaded> FileThread::take() {
  done_.clear();
  const std::lock_guard lock(mutex_);
  return std::exchange(reloaded_, std::nullopt);
}

void FileThread::run() {
  while (true) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::nanoseconds(report_ns_), [this] {
      return wanted_.report || wanted_.reload || wanted_.stop;
    });
    const Wanted wanted = std::exchange(wanted_, {});
    lock.unlock();
    if (wanted.stop)
      return;
    if (wanted.reload)
      read_configuration();
    const Metrics::Snapshot numbers = metrics_.snapshot();
    if (wanted.report)
      write_state(numbers);
    write_metrics(numbers);
  }
}

void FileThread::read_configuration() {
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
  for (const std::string& key : keep_restart_keys(config_, *config))
    log_warning(key + " has changed; restart auditd for it to take effect");
  config_ = std::move(*config);
  auto sinks = make_sinks(config_, clock_);
  const std::lock_guard lock(mutex_);
  reloaded_ = Reloaded{config_, std::move(sinks)};
  done_.signal();
}

void FileThread::write_state(const Metrics::Snapshot& numbers) const {
  const std::string facts =
      facts_ + "written: " + iso_time(clock_.wall_us()) + '\n';
  write_report(config_.state_file, "the state file",
               state_report(facts, numbers));
}

void FileThread::write_metrics(const Metrics::Snapshot& numbers) const {
  if (config_.metrics_file != "off")
    write_report(config_.metrics_file, "metrics_file",
                 prometheus_report(numbers));
}

}  // namespace preload
