// SPDX-License-Identifier: Apache-2.0
// Limits on alerts and disk space, so that a user who invents a value for each
// exec neither hides the alerts of others nor fills the disk.
//
// Alerts: max_alerts per interval, a fixed window that begins with the first
// alert in it. An owner may raise one only while it has raised fewer than are
// left: one owner alone gets half, two a third each, and there is always
// something left for the next. (Rejected: a fixed quarter each - four owners
// take all of it.)
//
// New terms: kMaxNewTerms and kMaxNewBytes per owner and day. What is beyond is
// counted, not stored.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "preload/correlate/exec_event.h"

namespace preload {

// Who is charged: the login user, or the real one where no one logged in. Root
// has no quota, since root can stop the plugin anyway. The root of a container
// is not that root and may stand for any user in it: without a login on the
// host, all containers together are one owner.
struct QuotaOwner {
  uint32_t uid = kUnsetId;  // kUnsetId: unknown, or beyond a table's bound
  bool containers = false;

  auto operator<=>(const QuotaOwner&) const = default;
  [[nodiscard]] bool is_root() const { return uid == 0 && !containers; }
};
[[nodiscard]] QuotaOwner quota_owner_of(const ExecEvent& event);

// What one owner was refused.
struct Overrun {
  QuotaOwner owner;
  uint64_t capped = 0;   // alerts that were kept, not sent
  uint64_t flooded = 0;  // new terms that were not even stored
};

// What was refused in the intervals that have ended.
struct OverrunSummary {
  int64_t since_us = 0;  // wall clock, of the first interval
  int64_t until_us = 0;
  uint64_t capped = 0;
  uint64_t flooded = 0;
  std::vector<Overrun> users;  // the ten with the most
  size_t more_users = 0;
};

// key=value text for one message, safe to print.
[[nodiscard]] std::string to_string(const OverrunSummary& summary);

class Quotas {
 public:
  static constexpr uint64_t kMaxNewTerms = 10'000;
  static constexpr uint64_t kMaxNewBytes = uint64_t{64} << 20;
  static constexpr size_t kMaxUsers = 1024;

  void set_limits(int64_t interval_us, uint32_t max_alerts) {
    interval_us_ = interval_us;
    max_alerts_ = max_alerts;
  }

  // Charges the event's owner with a new term of `bytes`. False: over the
  // quota, counted as flooded. `now_us` is the wall clock, here as below; it
  // may step.
  [[nodiscard]] bool take_space(const ExecEvent& event, uint64_t bytes,
                                int64_t now_us);
  // Charges the event's owner with an alert. False: over the quota, counted as
  // capped.
  [[nodiscard]] bool take_alert(const ExecEvent& event, int64_t now_us);

  // What was refused in ended intervals, once; nothing when nothing was.
  [[nodiscard]] std::optional<OverrunSummary> take_overruns(int64_t now_us);

 private:
  struct Account {
    uint64_t raised = 0;  // in this interval
    uint64_t capped = 0;  // since the last summary
    uint64_t flooded = 0;
    uint64_t new_terms = 0;  // on this day
    uint64_t new_bytes = 0;

    [[nodiscard]] uint64_t refused() const { return capped + flooded; }
  };

  Account& account(const QuotaOwner& owner);
  void roll(int64_t now_us);
  void end_interval(int64_t end_us);

  int64_t interval_us_ = 0;
  uint32_t max_alerts_ = 0;
  std::optional<int64_t> interval_start_us_;
  std::optional<int64_t> day_start_us_;
  uint64_t raised_ = 0;  // in this interval
  std::map<QuotaOwner, Account> accounts_;
  // Of the ended intervals with refusals; nothing when there was none since the
  // last summary.
  std::optional<int64_t> since_us_;
  int64_t until_us_ = 0;
};

}  // namespace preload
