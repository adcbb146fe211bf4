// SPDX-License-Identifier: Apache-2.0
// How alerts and disk space are shared out among users, so that one who makes
// up a value per exec neither hides the others nor fills the disk.
//
// Alerts: max_alerts per interval, a fixed window that begins with the first
// alert in it. A user may raise one only while he has raised fewer than are
// left: alone he gets half, with a second one a third each, and there is
// always something left for the next. (Rejected: a fixed quarter each - four
// users take all of it.)
//
// New terms: kMaxNewTerms and kMaxNewBytes per user and day. What is beyond is
// counted, not stored.
//
// What is taken is charged to a owner.
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

// Whose share it is: the login user's, or the real one's where no one logged
// in. Root may take all there is, since who is root can stop us anyway. The
// root of a container is not that root, and may be any user in there: where no
// user logged in on the host, all containers together are one owner.
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
  std::vector<Overrun> users;  // the worst ten
  size_t more_users = 0;
};

// key=value text for one message, safe to print.
[[nodiscard]] std::string to_string(const OverrunSummary& summary);

class Quotas {
 public:
  static constexpr uint64_t kMaxNewTerms = 10'000;
  static constexpr uint64_t kMaxNewBytes = uint64_t{64} << 20;
  static constexpr size_t kMaxUsers = 1024;

  void set_limits(int64_t interval_us, uint32_t max_alerts);

  // May this event's user store one more new term of `bytes`? False is counted
  // as flooded. `now_us` is the wall clock, here as below; it may step.
  [[nodiscard]] bool take_space(const ExecEvent& event, uint64_t bytes,
                                int64_t now_us);
  // May he raise one more alert? False is counted as capped.
  [[nodiscard]] bool take_alert(const ExecEvent& event, int64_t now_us);

  // What was refused in ended intervals, once; nothing when nothing was.
  [[nodiscard]] std::optional<OverrunSummary> take_overruns(int64_t now_us);

 private:
  struct Account {
    uint64_t raised = 0;  // of this interval
    uint64_t capped = 0;
    uint64_t flooded = 0;
    uint64_t new_terms = 0;  // of this day
    uint64_t new_bytes = 0;
  };

  Account& account(const QuotaOwner& owner);
  void roll(int64_t now_us);
  void end_interval(int64_t end_us);
  void begin_interval(int64_t now_us);

  int64_t interval_us_ = 0;
  uint32_t max_alerts_ = 0;
  std::optional<int64_t> interval_start_us_;
  std::optional<int64_t> day_start_us_;
  uint64_t raised_ = 0;  // of this interval
  std::map<QuotaOwner, Account> accounts_;
  std::optional<OverrunSummary> ended_;
  std::map<QuotaOwner, Overrun> ended_users_;
};

}  // namespace preload
