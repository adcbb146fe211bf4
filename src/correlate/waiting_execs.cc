// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/waiting_execs.h"

#include <algorithm>
#include <utility>

#include "preload/correlate/environ_reader.h"

namespace preload {
namespace {

using Settled = Exec::Settled;

std::vector<Exec>::iterator with_token(std::vector<Exec>& execs,
                                       uint64_t token) {
  return std::find_if(execs.begin(), execs.end(), [token](const Exec& exec) {
    return exec.token == token;
  });
}

}  // namespace

void WaitingExecs::add(Exec&& exec, int64_t due_ns) {
  std::vector<Exec>& execs = execs_[exec.pid];
  const auto later =
      std::find_if(execs.begin(), execs.end(),
                   [&](const Exec& e) { return e.exec_ns > exec.exec_ns; });
  expiry_.push_back({exec.pid, exec.token, due_ns});
  ++count_;
  ++waiting_;
  count_bytes(exec, bytes_);
  execs.insert(later, std::move(exec));
}

std::optional<Exec> WaitingExecs::take(int32_t pid, int64_t from_us,
                                       int64_t until_us, std::string_view exe) {
  const auto found = execs_.find(pid);
  if (found == execs_.end())
    return std::nullopt;
  std::vector<Exec>& execs = found->second;
  auto chosen = execs.end();
  for (auto it = execs.begin(); it != execs.end(); ++it) {
    const int64_t exec_us = static_cast<int64_t>(it->exec_ns) / kNanosPerMicro;
    if (exec_us < from_us)
      continue;  // an earlier exec that audit has not reported
    if (!it->snapshot || same_program(it->snapshot->executable, exe)) {
      chosen = it;
      break;
    }
    if (chosen == execs.end() && exec_us < until_us)
      chosen = it;
  }
  if (chosen == execs.end())
    return std::nullopt;
  Exec exec = std::move(*chosen);
  if (exec.settled == Settled::kNo)
    --waiting_;
  bytes_ -= std::exchange(exec.bytes, 0);
  remove(found, chosen);
  return exec;
}

void WaitingExecs::remove(Execs::iterator of_pid,
                          std::vector<Exec>::iterator exec) {
  --count_;
  of_pid->second.erase(exec);
  if (of_pid->second.empty())
    execs_.erase(of_pid);
}

Exec* WaitingExecs::find(int32_t pid, uint64_t token) {
  const auto found = execs_.find(pid);
  if (found == execs_.end())
    return nullptr;
  const auto exec = with_token(found->second, token);
  return exec != found->second.end() && exec->settled == Settled::kNo ? &*exec
                                                                      : nullptr;
}

void WaitingExecs::expire(int64_t now_ns, bool all, const Settle& settle) {
  while (!expiry_.empty() && (all || expiry_.front().due_ns <= now_ns ||
                              waiting_ > kMaxWaiting || bytes_ > kMaxBytes)) {
    Ref ref = expiry_.front();
    expiry_.pop_front();
    Exec* exec = find(ref.pid, ref.token);
    if (exec == nullptr)
      continue;
    --waiting_;
    settle(*exec);
    exec->snapshot.reset();
    recount(*exec);
    ref.due_ns = now_ns + kRememberNs;
    forgetting_.push_back(ref);
  }
  while (!forgetting_.empty() && (forgetting_.front().due_ns <= now_ns ||
                                  remembered() > kMaxRemembered)) {
    const Ref ref = forgetting_.front();
    forgetting_.pop_front();
    const auto found = execs_.find(ref.pid);
    if (found == execs_.end())
      continue;
    const auto exec = with_token(found->second, ref.token);
    if (exec != found->second.end())
      remove(found, exec);
  }
}

std::optional<int64_t> WaitingExecs::deadline_ns() const {
  if (expiry_.empty())
    return std::nullopt;
  return expiry_.front().due_ns;
}

}  // namespace preload
