// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/new_terms.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "preload/base/clock.h"
#include "preload/base/text.h"

namespace preload {
namespace {

// What text takes on disk: \xNN for what is not printable.
uint64_t text_bytes(const std::string& bytes) {
  return escaped(bytes).size();
}

// About what a new term takes on disk, but for its event: rows and indexes, the
// value in escaped and perhaps in exact form.
uint64_t disk_bytes(const Term& term) {
  constexpr uint64_t kRows = 512;
  uint64_t bytes = kRows + text_bytes(term.value) + term.value.size();
  for (const std::string& value : term.context)
    bytes += text_bytes(value);
  return bytes;
}

// The event itself, which is kept once with all its alerts: JSON, in which a
// backslash is two.
uint64_t disk_bytes(const ExecEvent& event) {
  uint64_t bytes = text_bytes(event.executable) + text_bytes(event.cwd);
  for (const EnvVar& var : event.env)
    bytes += text_bytes(var.name) + text_bytes(var.value);
  for (const std::string& argument : event.argv)
    bytes += text_bytes(argument);
  return bytes;
}

// What a new term is when neither an exception nor a quota applies.
Verdict verdict_of_new(const ExecEvent& event, const Rule& rule) {
  if (event.origin == Origin::kInventory && rule.inventory_is_baseline)
    return Verdict::kBaseline;
  if (event.time_us < rule.learning_until_us)
    return Verdict::kLearned;
  if (event.origin == Origin::kUnaudited && !rule.alert_unaudited)
    return Verdict::kRecorded;
  return Verdict::kNew;
}

}  // namespace

bool Rule::uses(Field field) const {
  const auto of_field = [&](const Condition& condition) {
    return condition.field == field;
  };
  return std::find(fields.begin(), fields.end(), to_string(field)) !=
             fields.end() ||
         std::any_of(exceptions.begin(), exceptions.end(),
                     [&](const Exception& exception) {
                       return std::any_of(exception.conditions.begin(),
                                          exception.conditions.end(), of_field);
                     });
}

Result<Rule> make_rule(const Config& config, std::string_view file,
                       int64_t created_us) {
  Rule rule;
  rule.fields = config.new_terms_fields;
  rule.history_window_us = config.history_window * kMicrosPerSecond;
  rule.interval_us = config.interval * kMicrosPerSecond;
  rule.max_alerts = config.max_alerts;
  if (config.learning_period != 0)
    rule.learning_until_us =
        created_us + config.learning_period * kMicrosPerSecond;
  rule.alert_unaudited = config.unaudited == UnauditedPolicy::kAlert;
  for (const ExceptionLine& line : config.exceptions) {
    auto exception = parse_exception(line);
    if (!exception)
      return fail(fmt::format("{}:{}: exception: {}", file, line.line,
                              exception.error().message()));
    rule.exceptions.push_back(std::move(*exception));
  }
  return rule;
}

bool counts_as_history(Verdict verdict) {
  return verdict != Verdict::kExcepted && verdict != Verdict::kRecorded &&
         verdict != Verdict::kFlooded;
}

NewTerms::NewTerms(Rule rule) : terms_({}) {
  set_rule(std::move(rule));
}

void NewTerms::set_rule(Rule rule) {
  rule_ = std::move(rule);
  terms_ = TermMaker(rule_.fields);
  quotas_.set_limits(rule_.interval_us, rule_.max_alerts);
}

Result<Verdict> NewTerms::judge(const ExecEvent& event,
                                const Decision& decision, int64_t now_us,
                                History& history,
                                std::optional<uint64_t>& event_bytes) {
  Verdict verdict = Verdict::kExcepted;
  bool has_row = false;
  if (!decision.exception) {
    const auto last = history.last_counted(decision.term.digest);
    if (!last)
      return tl::unexpected(last.error());
    // A process may run for longer than the window.
    const int64_t window =
        event.origin == Origin::kInventory ? 0 : rule_.history_window_us;
    if (*last && (window == 0 || event.time_us - **last <= window))
      return Verdict::kKnown;
    verdict = verdict_of_new(event, rule_);
    has_row = last->has_value();
  }
  if (verdict != Verdict::kNew && !has_row) {
    const auto stored = history.stored(decision.term.digest);
    if (!stored)
      return tl::unexpected(stored.error());
    has_row = *stored;
  }
  // An alert is a row of its own, whether or not the term has one.
  const bool grows = verdict == Verdict::kNew || !has_row;
  if (grows) {
    if (!event_bytes)
      event_bytes = disk_bytes(event);
    const uint64_t bytes = disk_bytes(decision.term) + *event_bytes;
    if (!quotas_.take_space(event, bytes, now_us))
      return Verdict::kFlooded;
    event_bytes = 0;
  }
  if (verdict == Verdict::kNew && !quotas_.take_alert(event, now_us))
    return Verdict::kCapped;
  return verdict;
}

Result<std::vector<Decision>> NewTerms::decide(const ExecEvent& event,
                                               int64_t now_us, History& history,
                                               std::string user) {
  std::vector<Decision> decisions;
  FieldValues values(event, std::move(user));
  std::optional<uint64_t> event_bytes;
  for (Term& term : terms_.terms_of(values)) {
    Decision decision{std::move(term), Verdict::kKnown, std::nullopt};
    const auto applying = std::find_if(
        rule_.exceptions.begin(), rule_.exceptions.end(),
        [&](const Exception& e) { return e.applies(values, decision.term); });
    if (applying != rule_.exceptions.end())
      decision.exception =
          static_cast<size_t>(applying - rule_.exceptions.begin());
    const auto verdict = judge(event, decision, now_us, history, event_bytes);
    if (!verdict)
      return tl::unexpected(verdict.error());
    decision.verdict = *verdict;
    decisions.push_back(std::move(decision));
  }
  return decisions;
}

}  // namespace preload
