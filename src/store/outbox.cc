// SPDX-License-Identifier: Apache-2.0
#include "preload/store/outbox.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "preload/base/text.h"
#include "preload/sql.h"
#include "preload/store/event_json.h"

namespace preload {
namespace {

std::string exact(std::string_view text) {
  // A column that somebody edited may not be in the escaped form.
  return unescaped(text).value_or(std::string(text));
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
  kExecId,
  kEventAt,
  kPid,
  kDetail,
  kReady,
  kUser,
  kLoginUser,
};

Term term_from(const Cursor& row) {
  Term term;
  const std::string_view digest = row.text(kDigest);
  std::copy_n(digest.begin(), std::min(digest.size(), term.digest.size()),
              term.digest.begin());
  term.variable = exact(row.text(kVariable));
  term.value = row.text(row.is_null(kValueBytes) ? kValue : kValueBytes);
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
ExecEventPtr event_from(const Cursor& row) {
  ExecEvent event;
  if (auto stored = exec_event_from_json(row.text(kDetail))) {
    event = std::move(*stored);
  } else {
    event.time_us = row.integer(kEventAt);
    event.pid = static_cast<int32_t>(row.integer(kPid));
  }
  // Names that were looked up; those that audit gave stay.
  if (event.user.empty())
    event.user = exact(row.text(kUser));
  if (event.login_user.empty() && event.auid != kUnsetId)
    event.login_user = exact(row.text(kLoginUser));
  return std::make_shared<const ExecEvent>(std::move(event));
}

}  // namespace

ExecEventPtr event_for(const Term& term, ExecEventPtr event) {
  size_t bytes = 0;
  for (const EnvVar& variable : event->env)
    bytes += variable.name.size() + variable.value.size();
  if (bytes <= kEnvBytes && !event->env.empty())
    return event;
  auto reduced = std::make_shared<ExecEvent>(*event);
  reduced->env = {{term.variable, term.value}};
  return reduced;
}

Result<std::unique_ptr<OutboxReader>> OutboxReader::open(
    const std::string& path) {
  auto database = Database::open(path, Database::Access::kReadOnly);
  if (!database)
    return tl::unexpected(database.error());
  return std::unique_ptr<OutboxReader>(new OutboxReader(std::move(*database)));
}

Result<std::map<std::string, int64_t>> OutboxReader::cursors() {
  std::map<std::string, int64_t> cursors;
  const auto take = [&](const Cursor& row) {
    cursors[std::string(row.text(0))] = row.integer(1);
  };
  return database_->each_row(sql::statements_sink_list, take).map([&] {
    return std::move(cursors);
  });
}

Result<std::vector<Alert>> OutboxReader::read(int64_t after, size_t limit) {
  std::vector<Alert> alerts;
  // Alerts of one exec are adjacent; its detail can be long.
  int64_t parsed = 0;
  ExecEventPtr event;
  size_t bytes = 0;
  Cursor row = database_->query(sql::statements_alert_outbox, after, limit);
  while (bytes < kBatchBytes) {
    const Result<bool> more = row.next();
    if (!more)
      return tl::unexpected(more.error());
    if (!*more || row.integer(kReady) == 0)
      break;
    Alert alert = alert_from(row);
    if (alert.kind == AlertKind::kNewTerm) {
      if (const int64_t exec_id = row.integer(kExecId); exec_id != parsed) {
        event = event_from(row);
        parsed = exec_id;
      }
      alert.event = event_for(alert.term, event);
      bytes += weight(*alert.event);
    }
    bytes += alert.term.value.size();
    alerts.push_back(std::move(alert));
  }
  return alerts;
}

}  // namespace preload
