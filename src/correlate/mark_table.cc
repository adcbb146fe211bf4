// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/mark_table.h"

#include <algorithm>
#include <utility>

#include "preload/correlate/join.h"
#include "preload/correlate/late_reader.h"

namespace preload {
namespace {

size_t bytes_of(const Mark& mark) {
  return mark.snapshot ? weight(*mark.snapshot) : 0;
}

}  // namespace

void MarkTable::add(int32_t pid, Mark&& mark, int64_t due_ns) {
  std::vector<Mark>& marks = marks_[pid];
  const auto later =
      std::find_if(marks.begin(), marks.end(),
                   [&](const Mark& m) { return m.exec_ns > mark.exec_ns; });
  expiry_.push_back({pid, mark.exec_ns, due_ns});
  ++count_;
  ++waiting_;
  bytes_ += bytes_of(mark);
  marks.insert(later, std::move(mark));
}

std::optional<Mark> MarkTable::take(int32_t pid, int64_t from_us,
                                    int64_t until_us, std::string_view exe) {
  const auto found = marks_.find(pid);
  if (found == marks_.end())
    return std::nullopt;
  std::vector<Mark>& marks = found->second;
  auto chosen = marks.end();
  for (auto it = marks.begin(); it != marks.end(); ++it) {
    const int64_t mark_us = static_cast<int64_t>(it->exec_ns) / kNanosPerMicro;
    if (mark_us < from_us)
      continue;  // of an earlier exec that audit has not reported
    if (!it->snapshot || same_program(it->snapshot->executable, exe)) {
      chosen = it;
      break;
    }
    if (chosen == marks.end() && mark_us < until_us)
      chosen = it;
  }
  if (chosen == marks.end())
    return std::nullopt;
  Mark mark = std::move(*chosen);
  if (mark.fate == MarkFate::kWaits) {
    --waiting_;
    bytes_ -= bytes_of(mark);
  }
  remove(found, chosen);
  return mark;
}

void MarkTable::remove(Marks::iterator of_pid,
                       std::vector<Mark>::iterator mark) {
  --count_;
  of_pid->second.erase(mark);
  if (of_pid->second.empty())
    marks_.erase(of_pid);
}

Mark* MarkTable::find_waiting(const Ref& ref) {
  const auto found = marks_.find(ref.pid);
  if (found == marks_.end())
    return nullptr;
  for (Mark& mark : found->second)
    if (mark.exec_ns == ref.exec_ns && mark.fate == MarkFate::kWaits)
      return &mark;
  return nullptr;
}

void MarkTable::settle_front(int64_t now_ns, const Settle& settle) {
  const Ref ref = expiry_.front();
  expiry_.pop_front();
  Mark* mark = find_waiting(ref);
  if (mark == nullptr)
    return;
  --waiting_;
  bytes_ -= bytes_of(*mark);
  mark->fate = settle(ref.pid, *mark);
  mark->argv_truncated = mark->snapshot && mark->snapshot->argv_truncated;
  mark->snapshot.reset();
  forgetting_.push_back({ref.pid, ref.exec_ns, now_ns + kRememberNs});
}

void MarkTable::forget_front() {
  const Ref ref = forgetting_.front();
  forgetting_.pop_front();
  const auto found = marks_.find(ref.pid);
  if (found == marks_.end())
    return;
  const auto mark = std::find_if(
      found->second.begin(), found->second.end(), [&](const Mark& m) {
        return m.fate != MarkFate::kWaits && m.exec_ns == ref.exec_ns;
      });
  if (mark != found->second.end())
    remove(found, mark);
}

void MarkTable::expire(int64_t now_ns, bool all, const Settle& settle) {
  while (!expiry_.empty() && (all || expiry_.front().due_ns <= now_ns ||
                              waiting_ > kMaxMarks || bytes_ > kMaxBytes))
    settle_front(now_ns, settle);
  while (!forgetting_.empty() && (forgetting_.front().due_ns <= now_ns ||
                                  remembered() > kMaxRemembered))
    forget_front();
}

std::optional<int64_t> MarkTable::deadline_ns() const {
  if (expiry_.empty())
    return std::nullopt;
  return expiry_.front().due_ns;
}

}  // namespace preload
