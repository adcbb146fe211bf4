// SPDX-License-Identifier: Apache-2.0
#include "preload/store/outbox.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "preload/base/text.h"
#include "preload/sql.h"

namespace preload {
namespace {

constexpr std::string_view kNewTermKind = "new_term";
constexpr std::string_view kSummaryKind = "summary";

std::optional<std::string> audit_id(const ExecEvent& event) {
  if (event.audit.serial == 0)
    return std::nullopt;
  return to_string(event.audit);
}

void drop_large_environment(ExecEvent& event) {
  size_t bytes = 0;
  for (const EnvVar& variable : event.env)
    bytes += variable.name.size() + variable.value.size();
  if (bytes > Outbox::kEnvBytes)
    event.env.clear();
}

// What an alert carries of its event, whose large environment was dropped.
ExecEvent event_for(const Term& term, const ExecEvent& event) {
  ExecEvent copy = event;
  if (copy.env.empty())
    copy.env.push_back({term.variable, term.value});
  return copy;
}

std::string exact(std::string_view text) {
  // A column that somebody edited may be no escaped form.
  return unescaped(text).value_or(std::string(text));
}

std::vector<std::string> context_from(std::string_view text) {
  std::vector<std::string> context;
  const auto values = nlohmann::json::parse(text, nullptr, false);
  if (!values.is_array())
    return context;
  for (const auto& value : values)
    if (value.is_string())
      context.push_back(exact(value.get_ref<const std::string&>()));
  return context;
}

// Columns of alert_outbox.sql.
enum Column : int {
  kId,
  kKind,
  kRaisedAt,
  kSeverity,
  kRiskScore,
  kFacts,
  kSummaryText,
  kDigest,
  kVariable,
  kValue,
  kValueBytes,
  kContext,
  kExecId,
  kEventAt,
  kPid,
  kDetail,
};

Term term_from(const Cursor& row) {
  Term term;
  const std::string_view digest = row.text(kDigest);
  std::copy_n(digest.begin(), std::min(digest.size(), term.digest.size()),
              term.digest.begin());
  term.variable = exact(row.text(kVariable));
  term.value = row.text(row.is_null(kValueBytes) ? kValue : kValueBytes);
  term.context = context_from(row.text(kContext));
  return term;
}

// Without its event.
Alert alert_from(const Cursor& row) {
  Alert alert;
  alert.alert_id = row.integer(kId);
  alert.kind = row.text(kKind) == kSummaryKind ? AlertKind::kSummary
                                               : AlertKind::kNewTerm;
  alert.raised_at_us = row.integer(kRaisedAt);
  alert.severity = row.text(kSeverity);
  alert.risk_score = static_cast<uint32_t>(row.integer(kRiskScore));
  alert.summary = row.text(kSummaryText);
  if (alert.kind == AlertKind::kNewTerm)
    alert.term = term_from(row);
  if (!row.is_null(kFacts))
    alert.facts = facts_from_json(row.text(kFacts)).value_or(AlertFacts{});
  return alert;
}

// An alert whose detail cannot be read is better sent without it than never.
ExecEvent event_from(const Cursor& row) {
  if (auto event = exec_event_from_json(row.text(kDetail)))
    return std::move(*event);
  ExecEvent event;
  event.time_us = row.integer(kEventAt);
  event.pid = static_cast<int32_t>(row.integer(kPid));
  return event;
}

}  // namespace

Status Outbox::prepare() {
  return prepare_all(database_,
                     {{&exec_add_, sql::statements_alert_exec_add},
                      {&exec_complete_, sql::statements_alert_exec_complete},
                      {&alert_add_, sql::statements_alert_add},
                      {&alert_facts_, sql::statements_alert_facts},
                      {&alert_sent_, sql::statements_alert_sent},
                      {&alert_outbox_, sql::statements_alert_outbox}});
}

Result<int64_t> Outbox::add_exec(const ExecEvent& event) {
  raising_ = event;
  drop_large_environment(raising_);
  const Status added = exec_add_.run(
      event.time_us, event.pid, event.exec_ns, audit_id(event),
      escaped(event.executable), escaped(command_line(event.argv)), event.uid,
      event.auid, to_string(event.capture), to_json(event));
  if (!added)
    return tl::unexpected(added.error());
  return database_.last_insert_id();
}

Result<Alert> Outbox::raise(int64_t exec_id, int64_t term_id, const Term& term,
                            AlertState state, const AlertSeverity& mark) {
  Alert alert;
  alert.state = state;
  alert.raised_at_us = clock_.wall_us();
  alert.severity = mark.severity;
  alert.risk_score = mark.risk_score;
  alert.term = term;
  if (state == AlertState::kPending)
    alert.event = event_for(term, raising_);
  const Status added =
      alert_add_.run(kNewTermKind, to_string(state), alert.raised_at_us,
                     term_id, exec_id, mark.severity, mark.risk_score, nullptr);
  if (!added)
    return tl::unexpected(added.error());
  alert.alert_id = database_.last_insert_id();
  return alert;
}

Result<Alert> Outbox::raise_summary(const std::string& summary,
                                    const AlertSeverity& mark) {
  Alert alert;
  alert.kind = AlertKind::kSummary;
  alert.raised_at_us = clock_.wall_us();
  alert.severity = mark.severity;
  alert.risk_score = mark.risk_score;
  alert.summary = summary;
  const Status added =
      alert_add_.run(kSummaryKind, to_string(alert.state), alert.raised_at_us,
                     nullptr, nullptr, mark.severity, mark.risk_score, summary);
  if (!added)
    return tl::unexpected(added.error());
  alert.alert_id = database_.last_insert_id();
  return alert;
}

Status Outbox::complete(const ExecEvent& event) {
  return exec_complete_.run(
      event.exec_ns, event.pid, audit_id(event), escaped(event.executable),
      escaped(command_line(event.argv)), event.uid, event.auid,
      to_string(event.capture), to_json(event));
}

Status Outbox::add_facts(int64_t alert_id, const AlertFacts& facts) {
  return alert_facts_.run(alert_id, to_json(facts));
}

Status Outbox::acknowledge(std::span<const int64_t> alert_ids) {
  for (const int64_t id : alert_ids)
    if (Status sent = alert_sent_.run(id); !sent)
      return sent;
  return {};
}

Result<std::vector<Alert>> Outbox::pending(int64_t after, size_t limit) {
  std::vector<Alert> alerts;
  // Alerts of one exec come in a row; its detail can be long.
  int64_t parsed = 0;
  ExecEvent event;
  size_t bytes = 0;
  Cursor row = alert_outbox_.query(after, limit);
  while (bytes < kPendingBytes) {
    const Result<bool> more = row.next();
    if (!more)
      return tl::unexpected(more.error());
    if (!*more)
      break;
    Alert alert = alert_from(row);
    if (alert.kind == AlertKind::kNewTerm) {
      if (const int64_t exec_id = row.integer(kExecId); exec_id != parsed) {
        event = event_from(row);
        drop_large_environment(event);
        parsed = exec_id;
      }
      alert.event = event_for(alert.term, event);
    }
    bytes += weight(alert.event) + alert.term.value.size();
    alerts.push_back(std::move(alert));
  }
  return alerts;
}

}  // namespace preload
