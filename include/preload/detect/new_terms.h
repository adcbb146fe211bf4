// SPDX-License-Identifier: Apache-2.0
// The rule: is this value new, and does it raise an alert?
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "preload/base/result.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/exception.h"
#include "preload/detect/term.h"

namespace preload {

// The configured rule; see base/config.h for the meaning of each.
struct Rule {
  std::vector<std::string> fields{"process.env_vars"};
  int64_t history_window_us = 0;  // 0 = first ever
  int64_t interval_us = 0;
  uint32_t max_alerts = 0;
  int64_t learning_until_us = 0;  // wall clock; 0 = not learning
  bool alert_unaudited = true;    // unaudited = alert
  std::vector<Exception> exceptions;
};

enum class Verdict : uint8_t {
  kKnown,     // within the history window
  kNew,       // raises an alert
  kCapped,    // new, but over max_alerts: an alert that is kept, not sent
  kExcepted,  // an exception applies: recorded, never history
  kLearned,   // new, in the learning period
  kBaseline,  // new, found by the inventory of a new database
  kRecorded,  // new, unaudited, and unaudited = record
};
[[nodiscard]] std::string_view to_string(Verdict verdict);

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

  // Wall clock of the last sighting of a term that counts as history (not an
  // excepted one). Nothing: never. Microseconds.
  virtual Result<std::optional<int64_t>> last_counted(const Digest& term) = 0;
};

// One thread: the store's.
class NewTerms {
 public:
  explicit NewTerms(Rule rule) : rule_(std::move(rule)) {}

  // One decision per term of the event. `now_us` is the wall clock, for the
  // interval of the cap; novelty is judged by the event's own time. The caller
  // records what it gets, so that the next call finds it in `history`.
  [[nodiscard]] Result<std::vector<Decision>> decide(const ExecEvent& event,
                                                     int64_t now_us,
                                                     History& history);

  // When an interval has ended in which alerts were capped: how many, once.
  [[nodiscard]] std::optional<uint32_t> take_capped(int64_t now_us);

  // A new rule after a reload; the present interval goes on.
  void set_rule(Rule rule) { rule_ = std::move(rule); }
  [[nodiscard]] const Rule& rule() const { return rule_; }

 private:
  void roll_interval(int64_t now_us);

  Rule rule_;
  int64_t interval_start_us_ = 0;
  uint32_t raised_ = 0;         // in the present interval
  uint32_t capped_ = 0;         // in the present interval
  uint32_t capped_before_ = 0;  // in ended ones, not yet taken
};

}  // namespace preload
