// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/correlator.h"

#include <algorithm>
#include <utility>

namespace preload {
namespace {

// Beyond the error of converting one clock to the other.
constexpr int64_t kClockSlackUs = 2'000;
// An exec that takes longer must name the same program to be joined.
constexpr int64_t kSlowExecUs = 2 * kMicrosPerSecond;

ExecEvent event_of_record(const SyscallRecord& record) {
  ExecEvent event;
  event.audit = record.id.audit_id();
  event.time_us = event.audit.wall_us();
  event.pid = record.pid;
  event.ppid = record.ppid;
  event.executable = record.exe.decoded();
  event.key = record.key.decoded();
  return event;
}

// Of a dynamic loader whose arguments did not all come: whether there may be
// options among those that are missing. They come first.
bool may_hide_options(const ExecEvent& event) {
  if (event.argv.empty())
    return true;
  return event.argv_truncated &&
         (event.argv.size() == 1 || event.argv[1].starts_with("--"));
}

}  // namespace

Correlator::Correlator(const Clock& clock, Metrics& metrics, ExecHandler& out,
                       Refill refill, Request request, Options options)
    : clock_(clock),
      out_(out),
      metrics_(metrics),
      refill_(std::move(refill)),
      request_(std::move(request)),
      options_(options),
      coverage_(metrics),
      offset_(clock) {}

// ---- Notices

void Correlator::refill() {
  offset_.update(options_.audit_wait_ns);
  inbox_.clear();
  refill_(inbox_);
  for (const ExecNotice& notice : inbox_)
    parents_.executed(notice.pid);
  for (ExecNotice& notice : inbox_)
    add_notice(std::move(notice));
}

void Correlator::add_notice(ExecNotice&& notice) {
  if (Exec* held = upgrade_held(notice)) {
    complete(*held);
    settle_if_ready(*held);
    return;
  }
  Exec exec(std::move(notice));
  exec.token = next_token_++;
  complete(exec);
  waiting_.add(std::move(exec), clock_.monotonic_ns() + options_.audit_wait_ns);
}

// A notice that comes after its audit event is the better source, unless its
// listener could not read either. It is older than the record of its exec.
Exec* Correlator::upgrade_held(ExecNotice& notice) {
  const int64_t exec_us =
      offset_.wall_of(notice.exec_ns) + offset_.set_back_us();
  const auto [begin, end] = held_.equal_range(notice.pid);
  for (auto it = begin; it != end; ++it) {
    Exec& exec = audited_.at(it->second);
    if (exec.notice || exec_us + kClockSlackUs < exec.audit->id.wall_us() ||
        static_cast<int64_t>(notice.exec_ns) > exec.asked_ns ||
        (notice.snapshot &&
         !same_program(notice.snapshot->executable, exec.audit->exe)))
      continue;
    exec.notice = notice.kind;
    exec.exec_ns = notice.exec_ns;
    if (!is_read(exec))
      return &exec;
    std::swap(exec.snapshot, notice.snapshot);
    if (exec.snapshot && exec.snapshot->env_truncated && notice.snapshot)
      adopt_env(*exec.snapshot, std::move(*notice.snapshot));
    recount(exec);
    exec.capture = Capture::kExec;
    exec.due_ns = 0;
    held_.erase(it);
    return &exec;
  }
  return nullptr;
}

// ---- Look-up

Exec* Correlator::find_audited(uint64_t token) {
  const auto found = audited_.find(token);
  return found != audited_.end() ? &found->second : nullptr;
}

Exec* Correlator::find(int32_t pid, uint64_t token) {
  Exec* exec = find_audited(token);
  return exec != nullptr ? exec : waiting_.find(pid, token);
}

void Correlator::recount(Exec& exec) {
  if (exec.audit)
    count_bytes(exec, audited_bytes_);
  else
    waiting_.recount(exec);
}

// ---- Audit events

std::optional<Exec> Correlator::match(const SyscallRecord& record,
                                      std::string_view exe) {
  const int64_t begun_us = record.id.wall_us() - offset_.us();
  return waiting_.take(record.pid,
                       begun_us - offset_.set_back_us() - kClockSlackUs,
                       begun_us + kSlowExecUs, exe);
}

std::optional<uint64_t> Correlator::on_exec(const SyscallRecord& record) {
  const Seen event{record.id.serial, record.id.wall_us(), record.pid};
  if (std::exchange(seen_[event.serial % kSeen], event) == event) {
    metrics_.add(Metric::kEventsReplayed);
    return std::nullopt;
  }
  parents_.executed(record.pid);
  std::string room;
  const std::string_view exe = record.exe.bytes(room);
  auto found = match(record, exe);
  if (!found) {
    refill();
    found = match(record, exe);
  }
  const int64_t audit_us = record.id.wall_us();
  const bool loader = is_loader(exe);
  const bool settled = found && found->settled != Exec::Settled::kNo;
  const bool nothing =  // nearly all of them
      found && found->notice == SnapshotKind::kNothing && !loader;
  if (settled || nothing) {
    replace_late_reads(record.pid, audit_us, exe, nullptr);
    if (settled)
      correct(*found, record, loader);
    else
      coverage_.captured(Capture::kExec, audit_us);
    return std::nullopt;
  }
  Exec exec = found ? *std::move(found) : Exec();
  exec.pid = record.pid;
  exec.loader = loader;
  exec.audit = std::make_unique<AuditExec>();
  exec.audit->id = record.id.audit_id();
  exec.audit->pid = record.pid;
  exec.audit->exe = exe;
  return keep(std::move(exec));
}

// The audit event of an exec that was settled without it.
void Correlator::correct(const Exec& settled, const SyscallRecord& record,
                         bool loader) {
  if (settled.settled == Exec::Settled::kMissed)
    return;
  const int64_t time_us = offset_.wall_of(settled.exec_ns);
  if (!loader || settled.options_seen) {
    coverage_.audited_later(time_us, std::nullopt);
    return;
  }
  coverage_.audited_later(time_us, MissReason::kUnreadable);
  ExecEvent event = event_of_record(record);
  event.missed = MissReason::kUnreadable;
  give(std::move(event));
}

std::optional<uint64_t> Correlator::keep(Exec&& exec) {
  if (exec.token == 0)
    exec.token = next_token_++;
  const uint64_t token = exec.token;
  exec.capture = is_read(exec) ? Capture::kExec : Capture::kNone;
  const size_t bytes = exec.snapshot ? weight(*exec.snapshot) : 0;
  if (bytes > 0 && audited_bytes_ + bytes > kMaxAuditedBytes) {
    replace_late_reads(exec.pid, exec.audit->id.wall_us(), exec.audit->exe,
                       nullptr);
    settle(exec);
    return std::nullopt;
  }
  exec.needs_records = true;
  Exec& kept = audited_.emplace(token, std::move(exec)).first->second;
  recount(kept);
  if (kept.capture != Capture::kExec) {
    read_late(kept);
    held_.emplace(kept.pid, token);
    due_.emplace_back(kept.due_ns, token);
  }
  replace_late_reads(kept.pid, kept.audit->id.wall_us(), kept.audit->exe,
                     &kept);
  return token;
}

// An event is wanted to report what was found, or what was missed.
AuditHandler::Wanted Correlator::wanted(uint64_t token) {
  Exec* exec = find_audited(token);
  if (exec == nullptr)
    return Wanted::kNo;
  if (exec->snapshot || exec->loader)
    return Wanted::kYes;
  if (exec->capture == Capture::kNone)
    return exec->reads > 0 ? Wanted::kNotYet : Wanted::kYes;
  exec->needs_records = false;
  settle_if_ready(*exec);
  return Wanted::kNo;
}

void Correlator::on_exec_event(uint64_t token, AuditExec&& exec) {
  Exec* kept = find_audited(token);
  if (kept == nullptr)
    return;
  kept->needs_records = false;
  *kept->audit = std::move(exec);
  settle_if_ready(*kept);
}

void Correlator::on_preload_file(const SyscallRecord& record) {
  ExecEvent event = event_of_record(record);
  event.origin = Origin::kPreloadFile;
  out_.on_preload_file(std::make_shared<const ExecEvent>(std::move(event)));
}

// ---- Settling

void Correlator::release_held(int32_t pid, uint64_t token) {
  const auto [begin, end] = held_.equal_range(pid);
  const auto held = std::find_if(
      begin, end, [&](const auto& entry) { return entry.second == token; });
  if (held != end)
    held_.erase(held);
}

// Records that are still collected and reads that are under way settle it when
// they are done.
void Correlator::settle_if_ready(Exec& exec) {
  if (exec.audit && !exec.needs_records && exec.reads == 0 &&
      exec.due_ns <= clock_.monotonic_ns())
    settle_and_erase(exec);
}

void Correlator::settle_due(bool all) {
  const int64_t now_ns = clock_.monotonic_ns();
  while (!due_.empty() &&
         (all || due_.front().first <= now_ns || audited_.size() > kMaxHeld)) {
    const uint64_t token = due_.front().second;
    due_.pop_front();
    Exec* exec = find_audited(token);
    if (exec == nullptr)
      continue;
    release_held(exec->pid, token);
    exec->due_ns = 0;
    settle_if_ready(*exec);
  }
}

void Correlator::settle_and_erase(Exec& exec) {
  release_held(exec.pid, exec.token);
  audited_bytes_ -= exec.bytes;
  settle(exec);
  audited_.erase(exec.token);
}

void Correlator::settle(Exec& exec) {
  if (exec.capture == Capture::kNone && exec.reads > 0)
    exec.reason = MissReason::kUnreadable;
  if (exec.snapshot && lost_all(*exec.snapshot)) {
    exec.capture = Capture::kNone;
    exec.reason = MissReason::kUnreadable;
  }
  const int64_t audit_us = exec.audit->id.wall_us();
  if (exec.snapshot || exec.loader || exec.capture == Capture::kNone) {
    ExecEvent event =
        exec.snapshot ? ExecEvent(std::move(*exec.snapshot)) : ExecEvent();
    event.capture = exec.capture;
    event.missed = exec.reason;
    add_audit(event, std::move(*exec.audit));
    if (exec.loader && may_hide_options(event)) {
      if (!event.env.empty() || event.argv.size() > 1)
        give(ExecEvent(event));
      exec.capture = event.capture = Capture::kNone;
      exec.reason = event.missed = MissReason::kUnreadable;
      event.env.clear();
    }
    give(std::move(event));
  }
  if (exec.capture == Capture::kNone)
    coverage_.missed(exec.reason, audit_us);
  else
    coverage_.captured(exec.capture, audit_us);
}

void Correlator::settle_unaudited(Exec& exec) {
  const int64_t time_us = offset_.wall_of(exec.exec_ns);
  exec.settled = Exec::Settled::kMissed;
  if (exec.notice == SnapshotKind::kUnread) {
    coverage_.missed(MissReason::kExited, time_us);
    return;
  }
  const bool missed = exec.snapshot && lost_all(*exec.snapshot);
  if (missed) {
    coverage_.missed(MissReason::kUnreadable, time_us);
  } else {
    coverage_.unaudited(time_us);
    exec.settled = Exec::Settled::kUnaudited;
  }
  if (!exec.snapshot)
    return;
  ExecEvent event(std::move(*exec.snapshot));
  event.capture = missed ? Capture::kNone : Capture::kExec;
  event.origin = Origin::kUnaudited;
  event.missed = MissReason::kUnreadable;
  event.time_us = time_us;
  exec.options_seen = !may_hide_options(event);
  give(std::move(event));
}

void Correlator::give(ExecEvent&& event) {
  if (event.user.empty() && event.capture != Capture::kNone)
    event.user = out_.user_name(event.uid);
  auto shared = std::make_shared<const ExecEvent>(std::move(event));
  if (shared->capture == Capture::kNone)
    out_.on_missed(std::move(shared));
  else
    out_.on_exec(std::move(shared));
}

// ---- Time

void Correlator::advance() {
  refill();
  waiting_.expire(clock_.monotonic_ns(), false,
                  [this](Exec& exec) { settle_unaudited(exec); });
  settle_due(false);
  metrics_.set(Metric::kPendingExecs, pending());
}

void Correlator::finish() {
  refill();
  settle_due(true);
  // The records of these did not come.
  while (!audited_.empty())
    settle_and_erase(audited_.begin()->second);
  waiting_.expire(clock_.monotonic_ns(), true,
                  [this](Exec& exec) { settle_unaudited(exec); });
}

std::optional<int64_t> Correlator::deadline_ns() const {
  std::optional<int64_t> deadline = waiting_.deadline_ns();
  if (!due_.empty())
    deadline =
        std::min(deadline.value_or(due_.front().first), due_.front().first);
  return deadline;
}

}  // namespace preload
