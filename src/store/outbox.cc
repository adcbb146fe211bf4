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
constexpr std::string_view kSummaryKind = "summary";  // OutboxReader too

std::optional<std::string> audit_id(const ExecEvent& event) {
  if (event.audit.serial == 0)
    return std::nullopt;
  return to_string(event.audit);
}

}  // namespace

ExecEvent event_for(const Term& term, const ExecEvent& event) {
  size_t bytes = 0;
  for (const EnvVar& variable : event.env)
    bytes += variable.name.size() + variable.value.size();
  if (bytes <= Outbox::kEnvBytes && !event.env.empty())
    return event;
  ExecEvent copy = event;
  copy.env = {{term.variable, term.value}};
  return copy;
}

Status Outbox::prepare() {
  return prepare_all(database_,
                     {{&exec_add_, sql::statements_alert_exec_add},
                      {&alert_add_, sql::statements_alert_add},
                      {&alert_ready_, sql::statements_alert_ready},
                      {&alert_all_ready_, sql::statements_alert_all_ready},
                      {&alert_direct_, sql::statements_alert_direct},
                      {&sink_configure_, sql::statements_sink_configure},
                      {&sink_remove_, sql::statements_sink_remove},
                      {&sink_position_, sql::statements_sink_position}});
}

Result<int64_t> Outbox::add_exec(const ExecEvent& event) {
  raising_ = event;
  const Status added = exec_add_.run(
      event.time_us, event.pid, audit_id(event), escaped(event.executable),
      escaped(command_line(event.argv)), event.uid, event.auid,
      to_string(event.capture), to_json(event));
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
  if (state == AlertState::kQueued)
    alert.event = event_for(term, raising_);
  const Status added =
      alert_add_.run(kNewTermKind, to_string(state),
                     state != AlertState::kQueued, alert.raised_at_us, term_id,
                     exec_id, mark.severity, mark.risk_score, nullptr);
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
  const Status added = alert_add_.run(
      kSummaryKind, to_string(alert.state), true, alert.raised_at_us, nullptr,
      nullptr, mark.severity, mark.risk_score, summary);
  if (!added)
    return tl::unexpected(added.error());
  alert.alert_id = database_.last_insert_id();
  return alert;
}

Status Outbox::set_ready(int64_t alert_id, const AlertFacts* facts) {
  return alert_ready_.run(alert_id, facts == nullptr
                                        ? std::nullopt
                                        : std::optional(to_json(*facts)));
}

Status Outbox::set_sinks(std::span<const std::string> names) {
  const std::vector<std::string> list(names.begin(), names.end());
  Status done = sink_remove_.run(nlohmann::json(list).dump());
  for (const std::string& name : names)
    if (done)
      done = sink_configure_.run(name);
  return done;
}

}  // namespace preload
