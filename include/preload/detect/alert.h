// SPDX-License-Identifier: Apache-2.0
// An alert: raised by the store, kept in the outbox and sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "preload/base/clock.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/term.h"

namespace preload {

enum class AlertKind : uint8_t {
  kNewTerm,
  kSummary,  // one message about many: capped alerts, baseline, learning
};

// One library that a value names, as the process sees it: in its own root and
// working directory.
struct LibraryFact {
  std::string named;  // as the value has it
  std::string path;   // resolved, in the process's root; empty: not found
  std::optional<bool> exists;  // nothing: could not be determined
  uint32_t owner = kUnsetId;
  uint32_t mode = 0;  // permission bits
  uint64_t size = 0;  // bytes
  int64_t mtime_us = 0;
  std::string sha256;  // hexadecimal; empty: not computed
  // The file or a directory above it can be written by others.
  bool writable_by_others = false;
  bool mapped = false;  // false: unknown
};

// From the commit of an alert until it is sent without more facts.
inline constexpr int64_t kFactsDeadlineNs = 250 * kNanosPerMilli;

// What the enricher found out between the decision and the sending.
struct AlertFacts {
  std::vector<LibraryFact> libraries;
  int32_t introducer_pid = 0;  // nearest ancestor without the value
  std::string introducer_executable;
};

struct Alert {
  int64_t alert_id = 0;  // row of table `alert`; 0 = could not be stored
  AlertKind kind = AlertKind::kNewTerm;
  bool capped = false;  // over max_alerts: kept, not sent; one summary for all
  int64_t raised_at_us = 0;
  std::string severity;
  uint32_t risk_score = 0;
  Term term;           // kNewTerm; from the outbox without its context
  ExecEventPtr event;  // kNewTerm; else null
  AlertFacts facts;
  std::string summary;  // kSummary: key=value text, safe to print as it is
};

}  // namespace preload
