// SPDX-License-Identifier: Apache-2.0
// What the items of the store's queue mean.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "preload/base/text.h"
#include "preload/store/history_writer.h"

namespace preload {

Status HistoryWriter::apply(HistoryItem& item, Effects& effects) {
  if (auto* exec = std::get_if<NewExec>(&item))
    return apply_exec(*exec, effects);
  if (const auto* exec = std::get_if<MissedExec>(&item))
    return store_->record_missed(*exec->event);
  if (const auto* coverage = std::get_if<CoverageDeltas>(&item)) {
    for (const CoverageDelta& delta : coverage->deltas)
      if (auto added = store_->add_coverage(delta); !added)
        return added;
    return {};
  }
  if (const auto* position = std::get_if<SinkPosition>(&item)) {
    if (position->database != database_)
      return {};
    return store_->set_position(position->name, position->alert_id);
  }
  if (const auto* facts = std::get_if<Facts>(&item))
    return apply_facts(*facts, effects);
  if (const auto* config = std::get_if<NewConfig>(&item))
    return apply_config(*config, effects);
  if (const auto* done = std::get_if<InventoryDone>(&item))
    return end_inventory(done->processes, effects);
  return {};  // a barrier
}

// The first inventory of a database is its baseline. A transaction that failed
// is repeated, so the database says whether it was taken.
Status HistoryWriter::end_inventory(size_t processes, Effects& effects) {
  const auto taken = store_->reached(Milestone::kBaselineTaken);
  if (!taken)
    return tl::unexpected(taken.error());
  if (*taken)
    return {};
  Rule rule = rule_.rule();
  rule.inventory_is_baseline = false;
  rule_.set_rule(std::move(rule));
  if (auto set = store_->set_reached(Milestone::kBaselineTaken); !set)
    return set;
  const auto terms = store_->terms().count_of(Verdict::kBaseline);
  if (!terms)
    return tl::unexpected(terms.error());
  return summarise(
      fmt::format("baseline terms={} processes={}", *terms, processes),
      effects);
}

// Once, when it is over, even if the plugin did not run at that time.
Status HistoryWriter::end_learning(Effects& effects) {
  if (auto set = store_->set_reached(Milestone::kLearningEnded); !set)
    return set;
  const auto terms = store_->terms().count_of(Verdict::kLearned);
  if (!terms)
    return tl::unexpected(terms.error());
  return summarise(fmt::format("learning ended terms={} learning_period={}",
                               *terms, duration_text(config_.learning_period)),
                   effects);
}

bool HistoryWriter::is_learning() {
  if (config_.learning_period == 0)
    return false;
  const auto ended = store_->reached(Milestone::kLearningEnded);
  return ended && !*ended;
}

Status HistoryWriter::decide(NewExec& exec, History& history) {
  if (exec.decided)
    return {};
  const ExecEvent& event = *exec.event;
  std::string user;
  if (event.user.empty() && rule_.rule().uses(Field::kUserName)) {
    pulse_.beat();
    user = user_name_(event.uid);
  }
  auto decisions =
      rule_.decide(event, clock_.wall_us(), history, std::move(user));
  if (!decisions)
    return tl::unexpected(decisions.error());
  exec.decided = std::move(*decisions);
  count(exec);
  return {};
}

void HistoryWriter::count(const NewExec& exec) {
  metrics_.add(Metric::kMatched, exec.decided->empty() ? 0 : 1);
  for (const Decision& decision : *exec.decided) {
    if (decision.exception) {
      Hits& hits = hits_[rule_.rule().exceptions.at(*decision.exception).text];
      ++hits.count;
      hits.last_us = std::max(hits.last_us, exec.event->time_us);
    }
    const Verdict verdict = decision.verdict;
    if (verdict == Verdict::kKnown)
      metrics_.add(Metric::kTermsKnown);
    else if (verdict == Verdict::kExcepted)
      metrics_.add(Metric::kTermsExcepted);
    else if (verdict == Verdict::kFlooded)
      metrics_.add(Metric::kTermsFlooded);
    else
      metrics_.add(Metric::kTermsNew);
    if (verdict == Verdict::kCapped)
      metrics_.add(Metric::kAlertsCapped);
  }
}

Status HistoryWriter::apply_exec(NewExec& exec, Effects& effects) {
  if (Status decided = decide(exec, store_->terms()); !decided)
    return decided;
  auto raised = store_->record(exec.event, *exec.decided, severity());
  if (!raised)
    return tl::unexpected(raised.error());
  for (Alert& alert : *raised) {
    if (outage_ && outage_->alerted(alert.term.digest)) {
      if (auto sent = store_->set_direct(alert.alert_id); !sent)
        return sent;
    } else if (!alert.capped) {
      effects.raised.push_back(std::move(alert));
    }
  }
  return {};
}

Status HistoryWriter::apply_facts(const Facts& facts, Effects& effects) {
  const auto wait = facts_wait_.find(facts.alert_id);
  if (wait == facts_wait_.end() ||
      wait->second.raised_at_us != facts.raised_at_us)
    return {};  // too late
  for (const auto& [uid, name] : facts.names)
    if (auto noted = store_->terms().note_user(uid, name); !noted)
      return noted;
  effects.ready.push_back(facts.alert_id);
  return store_->set_ready(facts.alert_id, &facts.facts);
}

Status HistoryWriter::apply_config(const NewConfig& item, Effects& effects) {
  if (Status set = store_->set_sinks(item.sinks); !set)
    return set;
  effects.wake = true;
  sinks_ = item.sinks;
  auto rule = make_rule(item.config, config_file_, store_->created_at_us());
  if (rule) {
    rule->inventory_is_baseline = rule_.rule().inventory_is_baseline;
    rule_.set_rule(std::move(*rule));
    config_ = item.config;
    learning_ = is_learning();
  }
  return {};
}

Status HistoryWriter::summarise(const std::string& text, Effects& effects) {
  auto alert = store_->record_summary(text, severity());
  if (!alert)
    return tl::unexpected(alert.error());
  effects.wake = true;
  return {};
}

AlertSeverity HistoryWriter::severity() const {
  return {config_.severity, config_.risk_score};
}

}  // namespace preload
