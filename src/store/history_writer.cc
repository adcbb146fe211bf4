// SPDX-License-Identifier: Apache-2.0
#include "preload/store/history_writer.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "preload/base/log.h"
#include "preload/base/text.h"

namespace preload {
namespace {

// One transaction; what a crash in the middle would repeat.
constexpr size_t kBatch = 512;
constexpr auto kIdle = std::chrono::milliseconds(1000);

}  // namespace

HistoryWriter::HistoryWriter(OpenedStore opened, Rule rule, Config config,
                             std::string config_file,
                             std::vector<std::string> sinks, Metrics& metrics,
                             const Clock& clock, Outlet outlet,
                             std::function<std::string(uint32_t)> user_name,
                             ThreadFailed failed, const Timing& timing)
    : store_(std::move(opened.store)),
      rule_(std::move(rule)),
      config_(std::move(config)),
      config_file_(std::move(config_file)),
      sinks_(std::move(sinks)),
      metrics_(metrics),
      clock_(clock),
      outlet_(std::move(outlet)),
      failed_(std::move(failed)),
      queue_(metrics),
      facts_wait_(clock),
      held_(metrics),
      tally_(metrics),
      user_name_(std::move(user_name)),
      timing_(timing) {
  learning_ = learns();
  if (!opened.moved_to.empty())
    announce(
        fmt::format("history lost: the database was damaged and is now "
                    "{}; a new one was begun",
                    escaped(opened.moved_to)));
  thread_ = start_thread(
      "store", [this] { run(); }, failed_);
}

HistoryWriter::~HistoryWriter() {
  stop();
}

void HistoryWriter::stop() {
  if (!thread_.joinable())
    return;
  stopping_ = true;
  queue_.close();
  thread_.join();
}

void HistoryWriter::run() {
  while (true) {
    const bool last = stopping_;
    pulse_.beat();
    process(queue_.pop_all(patience()));
    if (queue_.take_large())
      ::malloc_trim(0);  // or the memory of the largest ever stays with us
    if (last)
      flush_due_ns_ = 0;
    maintain();
    // Alerts of an outage become ready with the database.
    if (last || outage_ || facts_wait_.empty())
      for (const auto& reached : std::exchange(barriers_, {}))
        reached->set_value();
    if (last)
      break;
  }
  if (!held_.empty())
    log_error(fmt::format(
        "{} events that were held could not be stored; their alerts were sent",
        held_.size()));
}

std::chrono::milliseconds HistoryWriter::patience() const {
  const auto due = outage_ ? std::nullopt : facts_wait_.next_ns();
  if (!due)
    return kIdle;
  return std::clamp(std::chrono::milliseconds(*due / kNanosPerMilli + 1),
                    std::chrono::milliseconds(0), kIdle);
}

void HistoryWriter::process(std::vector<HistoryItem> items) {
  for (const HistoryItem& item : items)
    if (const auto* barrier = std::get_if<Barrier>(&item))
      barriers_.push_back(barrier->reached);
  for (size_t done = 0; done < items.size();) {
    pulse_.beat();
    const auto batch =
        std::span(items).subspan(done, std::min(kBatch, items.size() - done));
    // Once more when the database had to be recreated.
    bool stored = false;
    for (int attempt = 0; !stored && !outage_ && attempt < 2; ++attempt) {
      const Status status = store_all(batch);
      stored = status.has_value();
      if (!stored)
        begin_outage(status.error());
    }
    if (!stored)
      for (HistoryItem& item : batch)
        keep(std::move(item));
    done += batch.size();
  }
}

Status HistoryWriter::store_all(std::span<HistoryItem> items) {
  return transact([&](Effects& effects) -> Status {
    for (HistoryItem& item : items) {
      pulse_.beat();
      if (Status applied = apply(item, effects); !applied)
        return applied;
    }
    return {};
  });
}

void HistoryWriter::publish(Effects& effects) {
  for (const int64_t id : effects.ready)
    facts_wait_.remove(id);
  for (const Alert& alert : effects.raised)
    facts_wait_.add(alert, outlet_.look_up(alert));
  if (effects.wake || !effects.ready.empty())
    outlet_.wake_relay();
}

// Alerts whose answer has not come in time are sent without it.
Status HistoryWriter::expire_facts() {
  const std::vector<int64_t> expired = facts_wait_.expired();
  if (expired.empty())
    return {};
  return transact([&](Effects& effects) -> Status {
    effects.ready = expired;
    for (const int64_t id : expired)
      if (Status ready = store_->set_ready(id, nullptr); !ready)
        return ready;
    return {};
  });
}

}  // namespace preload
