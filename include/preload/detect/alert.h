// SPDX-License-Identifier: Apache-2.0
// What is raised, kept in the outbox and sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/result.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/term.h"

namespace preload {

// Column alert.state.
enum class AlertState : uint8_t {
  kQueued,  // for the sinks, in order of id
  kDirect,  // was sent while the database refused it
  kCapped,  // over max_alerts: kept, not sent, summed up in one message
};
[[nodiscard]] std::string_view to_string(AlertState state);

enum class AlertKind : uint8_t {
  kNewTerm,
  kSummary,  // one message about many: capped alerts, baseline, learning
};

// What the file system says of one library that a value names. All of it as
// seen by the process: in its own root and working directory.
struct LibraryFact {
  std::string named;  // as the value has it
  std::string path;   // resolved, in the process's root; empty: not found
  std::optional<bool> exists;  // nothing: could not be determined
  uint32_t owner = kUnsetId;
  uint32_t mode = 0;  // permission bits
  uint64_t size = 0;  // bytes
  int64_t mtime_us = 0;
  std::string sha256;  // hexadecimal; empty: not computed
  // It, or a directory above it; others could put it there.
  bool writable_by_others = false;
  bool mapped = false;  // it was seen mapped; false: unknown
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
  AlertState state = AlertState::kQueued;
  int64_t raised_at_us = 0;
  std::string severity;
  uint32_t risk_score = 0;
  Term term;        // kNewTerm
  ExecEvent event;  // kNewTerm
  AlertFacts facts;
  std::string summary;  // kSummary: key=value text, safe to print as it is
};

// The facts as JSON for the database, and back.
[[nodiscard]] std::string to_json(const AlertFacts& facts);
[[nodiscard]] Result<AlertFacts> facts_from_json(std::string_view json);

}  // namespace preload
