// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/quotas.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "preload/base/clock.h"
#include "preload/base/config.h"
#include "preload/base/text.h"

namespace preload {
namespace {

constexpr size_t kListed = 10;
constexpr int64_t kDayMicros = kDay * kMicrosPerSecond;

// True when a window of `length` that began at `start` is over. A clock that
// was set back moves the beginning, so that no window lasts longer than its
// length from now.
bool over(int64_t& start, int64_t length, int64_t now_us) {
  start = std::min(start, now_us);
  return now_us - start >= length;
}

}  // namespace

std::string to_string(const OverrunSummary& summary) {
  std::string users;
  for (const Overrun& user : summary.users) {
    if (!users.empty())
      users += ", ";
    if (user.owner.containers)
      users += "in containers";
    else
      users += user.owner.uid == kUnsetId ? "unknown"
                                          : std::to_string(user.owner.uid);
    users += fmt::format(": {} capped, {} flooded", user.capped, user.flooded);
  }
  if (summary.more_users != 0)
    users += fmt::format(", and {} more", summary.more_users);
  return fmt::format("capped={} flooded={} since={} until={} uids={}",
                     summary.capped, summary.flooded,
                     iso_time(summary.since_us), iso_time(summary.until_us),
                     in_quotes(users));
}

QuotaOwner quota_owner_of(const ExecEvent& event) {
  // Only root writes /etc/ld.so.preload; no process is known for it.
  if (event.origin == Origin::kPreloadFile)
    return {0, false};
  const bool user_logged_in = event.auid != kUnsetId && event.auid != 0;
  if (!user_logged_in && !event.container.empty())
    return {kUnsetId, true};
  return {event.auid != kUnsetId ? event.auid : event.uid, false};
}

Quotas::Account& Quotas::account(const QuotaOwner& owner) {
  if (accounts_.size() >= kMaxUsers && !accounts_.contains(owner))
    return accounts_[QuotaOwner{}];
  return accounts_[owner];
}

void Quotas::end_interval(int64_t end_us) {
  for (auto& [owner, account] : accounts_) {
    account.raised = 0;
    if (account.refused() == 0)
      continue;
    if (!since_us_)
      since_us_ = interval_start_us_;
    until_us_ = end_us;
  }
  std::erase_if(accounts_, [](const auto& entry) {
    return entry.second.new_terms + entry.second.refused() == 0;
  });
  raised_ = 0;
  interval_start_us_.reset();
}

void Quotas::roll(int64_t now_us) {
  if (interval_start_us_ && over(*interval_start_us_, interval_us_, now_us))
    end_interval(std::min(now_us, *interval_start_us_ + interval_us_));
  if (!day_start_us_)
    day_start_us_ = now_us;
  if (over(*day_start_us_, kDayMicros, now_us)) {
    for (auto& [owner, account] : accounts_)
      account.new_terms = account.new_bytes = 0;
    day_start_us_ = now_us;
  }
}

bool Quotas::take_space(const ExecEvent& event, uint64_t bytes,
                        int64_t now_us) {
  const QuotaOwner owner = quota_owner_of(event);
  if (owner.is_root())
    return true;
  roll(now_us);
  Account& account = this->account(owner);
  if (account.new_terms >= kMaxNewTerms ||
      account.new_bytes + bytes > kMaxNewBytes) {
    interval_start_us_ = interval_start_us_.value_or(now_us);
    ++account.flooded;
    return false;
  }
  ++account.new_terms;
  account.new_bytes += bytes;
  return true;
}

bool Quotas::take_alert(const ExecEvent& event, int64_t now_us) {
  roll(now_us);
  interval_start_us_ = interval_start_us_.value_or(now_us);
  const QuotaOwner owner = quota_owner_of(event);
  Account& account = this->account(owner);
  const uint64_t left = max_alerts_ - std::min<uint64_t>(raised_, max_alerts_);
  if (left == 0 || (!owner.is_root() && account.raised >= left)) {
    ++account.capped;
    return false;
  }
  ++account.raised;
  ++raised_;
  return true;
}

std::optional<OverrunSummary> Quotas::take_overruns(int64_t now_us) {
  roll(now_us);
  if (!since_us_)
    return std::nullopt;
  OverrunSummary summary{*since_us_, until_us_, 0, 0, {}, 0};
  for (auto& [owner, account] : accounts_) {
    if (account.refused() == 0)
      continue;
    summary.capped += account.capped;
    summary.flooded += account.flooded;
    summary.users.push_back({owner, account.capped, account.flooded});
    account.capped = account.flooded = 0;
  }
  std::stable_sort(summary.users.begin(), summary.users.end(),
                   [](const Overrun& a, const Overrun& b) {
                     return a.capped + a.flooded > b.capped + b.flooded;
                   });
  if (summary.users.size() > kListed) {
    summary.more_users = summary.users.size() - kListed;
    summary.users.resize(kListed);
  }
  since_us_.reset();
  return summary;
}

}  // namespace preload
