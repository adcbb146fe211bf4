// SPDX-License-Identifier: Apache-2.0
// The correlator's late reads: what it requests, and whose the results are.
#include <utility>

#include "preload/correlate/correlator.h"

namespace preload {

bool Correlator::request(Exec& exec, LateRequest&& what) {
  if (!request_(std::move(what)))
    return false;
  ++exec.reads;
  return true;
}

// Requests what the snapshot lacks: the parent's program, and variables that
// did not fit or could not be read before the process went. As soon as we hear
// of it, while both are likely to be there.
void Correlator::complete(Exec& exec) {
  using What = LateRequest::What;
  if (!exec.snapshot)
    return;
  ExecSnapshot& snapshot = *exec.snapshot;
  if (snapshot.env_truncated && is_read(exec))
    request(exec, {What::kEnvironment, exec.pid, exec.token,
                   snapshot.executable, offset_.wall_of(snapshot.exec_ns)});
  if (!snapshot.parent_executable.empty())
    return;
  const int64_t now_ns = clock_.monotonic_ns();
  if (auto known = parents_.find(snapshot, now_ns)) {
    snapshot.parent_executable = *std::move(known);
    return;
  }
  ++exec.reads;
  if (parents_.wait(snapshot.ppid,
                    {exec.pid, exec.token, snapshot.start_ticks, {}}) &&
      !request_({What::kProgram, snapshot.ppid, 0, {}, 0})) {
    --exec.reads;
    (void)parents_.answer(snapshot.ppid, "", 0, now_ns);
  }
}

void Correlator::read_late(Exec& exec) {
  exec.asked_ns = clock_.monotonic_ns();
  exec.due_ns = exec.asked_ns + options_.hold_ns;
  if (!request(exec, {LateRequest::What::kEnvironment, exec.pid, exec.token,
                      exec.audit->exe, exec.audit->id.wall_us()}))
    exec.reason = MissReason::kUnreadable;
}

void Correlator::on_late_result(LateResult&& result) {
  if (result.request.what == LateRequest::What::kProgram) {
    for (ParentPrograms::Child& child :
         parents_.answer(result.request.pid, result.program.path,
                         result.program.start_ticks, clock_.monotonic_ns())) {
      Exec* exec = find(child.pid, child.token);
      if (exec == nullptr)
        continue;
      --exec->reads;
      if (exec->snapshot)
        exec->snapshot->parent_executable = std::move(child.parent_program);
      settle_if_ready(*exec);
    }
    return;
  }
  if (Exec* exec = find(result.request.pid, result.request.token)) {
    --exec->reads;
    take_read(*exec, std::move(result));
    settle_if_ready(*exec);
  }
}

void Correlator::take_read(Exec& exec, LateResult&& result) {
  LateRead& read = result.read;
  if (is_read(exec)) {  // what its snapshot lacked
    if (exec.snapshot && read.snapshot && !read.snapshot->env_truncated)
      adopt_env(*exec.snapshot, std::move(*read.snapshot));
    recount(exec);
    return;
  }
  exec.read_us = result.read_us;
  if (read.kind != SnapshotKind::kUnread)
    exec.snapshot = std::move(read.snapshot);
  else
    exec.reason = read.reason;
  // A snapshot may come from the exec before: see replace_late_read().
  if (read.kind != SnapshotKind::kUnread || exec.snapshot)
    exec.capture = Capture::kLate;
  recount(exec);
  if (exec.next_token != 0 && exec.next_us <= exec.read_us)
    replace_late_read(exec, find_audited(exec.next_token));
  complete(exec);
}

// An exec of the same program in the same pid that began before a late read
// was done: the read may have seen its environment. `next` is it, unless it is
// settled already.
void Correlator::replace_late_reads(int32_t pid, int64_t audit_us,
                                    std::string_view exe, Exec* next) {
  const auto [begin, end] = held_.equal_range(pid);
  for (auto it = begin; it != end; ++it) {
    Exec& exec = audited_.at(it->second);
    if (&exec == next || (!same_program(exe, exec.audit->exe) &&
                          !same_program(exec.audit->exe, exe)))
      continue;
    if (exec.capture == Capture::kLate && audit_us <= exec.read_us) {
      replace_late_read(exec, next);
    } else if (exec.reads > 0 && exec.next_token == 0) {
      exec.next_token = next != nullptr ? next->token : next_token_++;
      exec.next_us = audit_us;
    }
  }
}

// A value is not to be lost: it is the next one's when that has no other.
void Correlator::replace_late_read(Exec& exec, Exec* next) {
  if (next != nullptr && exec.snapshot && next->capture == Capture::kNone) {
    next->snapshot = std::move(exec.snapshot);
    next->read_us = exec.read_us;
    if (next->reads == 0)
      next->capture = Capture::kLate;
    recount(*next);
    complete(*next);
  }
  exec.capture = Capture::kNone;
  exec.reason = MissReason::kReplaced;
  exec.snapshot.reset();
  recount(exec);
}

}  // namespace preload
