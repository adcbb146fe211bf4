// SPDX-License-Identifier: Apache-2.0
// The rule applied: is this value new, and does it raise an alert?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "preload/base/config.h"
#include "preload/base/result.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/exception.h"
#include "preload/detect/quotas.h"
#include "preload/detect/term.h"

namespace preload {

// The configured rule, ready for use. See base/config.h for the meaning of
// each.
struct Rule {
  std::vector<std::string> fields{"process.env_vars"};
  int64_t history_window_us = 0;  // 0 = first ever
  int64_t interval_us = 0;
  uint32_t max_alerts = 0;
  int64_t learning_until_us = 0;  // wall clock; 0 = not learning
  bool alert_unaudited = true;    // unaudited = alert
  // What the inventory finds was there before the plugin: true until the first
  // inventory of a new database is complete. The daemon sets it.
  bool inventory_is_baseline = false;
  std::vector<Exception> exceptions;

  // True when a term or an exception depends on it.
  [[nodiscard]] bool uses(Field field) const;
};

// The rule of a configuration that was read from `file`, for a database that
// was created at `created_us` (wall clock). The error names file and line.
[[nodiscard]] Result<Rule> make_rule(const Config& config,
                                     std::string_view file, int64_t created_us);

enum class Verdict : uint8_t {
  kKnown,     // within the history window
  kNew,       // raises an alert
  kCapped,    // new, but over max_alerts: an alert that is kept, not sent
  kExcepted,  // an exception applies: recorded, never history
  kLearned,   // new, in the learning period
  kBaseline,  // new, found by the inventory of a new database
  kRecorded,  // new, unaudited, and unaudited = record: never history
  kFlooded,   // new, but over its owner's quota: counted, not stored
};

// True when a sighting with this verdict makes or keeps its term known. An
// excepted or recorded one does not: it must not silence an alert later.
[[nodiscard]] bool counts_as_history(Verdict verdict);

struct Decision {
  Term term;
  Verdict verdict = Verdict::kKnown;
  std::optional<size_t> exception;  // index in Rule::exceptions
};

// What was seen before, as the store knows it.
class History {
 public:
  History() = default;
  History(const History&) = delete;
  History& operator=(const History&) = delete;
  virtual ~History() = default;

  // Wall clock of the last sighting of a term that counts as history. Nothing:
  // never. Microseconds.
  virtual Result<std::optional<int64_t>> last_counted(const Digest& term) = 0;
  // True when the term has a row, whether or not it counts as history: one
  // more sighting takes no space.
  virtual Result<bool> stored(const Digest& term) = 0;
};

// One thread: the store's.
class NewTerms {
 public:
  explicit NewTerms(Rule rule);

  // One decision per term of the event. `now_us` is the wall clock, for the
  // interval of the cap; novelty is judged by the event's own time, and an
  // event that comes after a later one of the same term is known. `user` is as
  // for FieldValues. The caller records what it gets, so that the next call
  // finds it in `history`.
  [[nodiscard]] Result<std::vector<Decision>> decide(const ExecEvent& event,
                                                     int64_t now_us,
                                                     History& history,
                                                     std::string user = {});

  // See Quotas. Call every second or so.
  [[nodiscard]] std::optional<OverrunSummary> take_overruns(int64_t now_us) {
    return quotas_.take_overruns(now_us);
  }

  // A new rule after a reload; the current interval continues.
  void set_rule(Rule rule);
  [[nodiscard]] const Rule& rule() const { return rule_; }

 private:
  // `event_bytes` is what the event itself takes on disk: nothing when not
  // computed yet, 0 when one of its terms was charged with it.
  Result<Verdict> judge(const ExecEvent& event, const Decision& decision,
                        int64_t now_us, History& history,
                        std::optional<uint64_t>& event_bytes);

  Rule rule_;
  TermMaker terms_;
  Quotas quotas_;
};

}  // namespace preload
