// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/correlator.h"

#include <algorithm>
#include <utility>

#include "preload/correlate/join.h"

namespace preload {
namespace {

// Beyond the error of converting one clock to the other.
constexpr int64_t kClockSlackUs = 2'000;
// An exec that takes longer must name the same program to be joined.
constexpr int64_t kSlowExecUs = 2 * kMicrosPerSecond;

}  // namespace

Correlator::Correlator(const Clock& clock, Metrics& metrics, LateReader& late,
                       ExecHandler& out, Refill refill,
                       const WatchList* watched, Options options)
    : clock_(clock),
      late_(late),
      out_(out),
      metrics_(metrics),
      refill_(std::move(refill)),
      watched_(watched),
      options_(options),
      coverage_(metrics),
      offset_(clock) {}

// ---- Marks

void Correlator::refill() {
  offset_.update(options_.audit_wait_ns);
  inbox_.clear();
  refill_(inbox_);
  for (const ExecMark& mark : inbox_)
    late_.executed(mark.pid);
  for (ExecMark& mark : inbox_)
    add_mark(std::move(mark));
}

void Correlator::add_mark(ExecMark&& mark) {
  // As soon as we hear of it, while the parent is likely to be there.
  if (mark.snapshot && mark.snapshot->parent_executable.empty())
    mark.snapshot->parent_executable = late_.parent_program(*mark.snapshot);
  if (upgrade_held(mark))
    return;
  Mark waiting{mark.exec_ns, mark.kind, {}, false, std::move(mark.snapshot)};
  marks_.add(mark.pid, std::move(waiting),
             clock_.monotonic_ns() + options_.audit_wait_ns);
}

// A mark that comes after its audit event was read late is the better source,
// unless its listener could not read either.
bool Correlator::upgrade_held(ExecMark& mark) {
  const auto [begin, end] = held_.equal_range(mark.pid);
  for (auto it = begin; it != end; ++it) {
    Waiting& waiting = waiting_.at(it->second);
    const int64_t mark_us =
        offset_.wall_of(mark.exec_ns) + offset_.set_back_us();
    if (waiting.marked || mark_us + kClockSlackUs < waiting.audit_us ||
        static_cast<int64_t>(mark.exec_ns) > waiting.read_ns)
      continue;
    if (mark.snapshot && !same_program(mark.snapshot->executable, waiting.exe))
      continue;
    waiting.marked = true;
    if (mark.kind == SnapshotKind::kUnread)
      return true;
    std::unique_ptr<ExecSnapshot> read = std::move(waiting.snapshot);
    waiting_bytes_ -= read ? weight(*read) : 0;
    waiting.snapshot = std::move(mark.snapshot);
    if (waiting.snapshot && waiting.snapshot->truncated && read)
      adopt_env(*waiting.snapshot, std::move(*read));
    waiting_bytes_ += waiting.snapshot ? weight(*waiting.snapshot) : 0;
    waiting.capture = Capture::kExec;
    waiting.due_ns = 0;
    held_.erase(it);
    return true;
  }
  return false;
}

std::optional<Mark> Correlator::match(const Waiting& waiting) {
  const int64_t begun_us = waiting.audit_us - offset_.us();
  return marks_.take(waiting.pid,
                     begun_us - offset_.set_back_us() - kClockSlackUs,
                     begun_us + kSlowExecUs, waiting.exe);
}

MarkFate Correlator::expire_one(int32_t pid, Mark& mark) {
  const int64_t time_us = offset_.wall_of(mark.exec_ns);
  if (mark.kind == SnapshotKind::kUnread) {
    coverage_.missed(MissReason::kExited, time_us);
    return MarkFate::kMissed;
  }
  if (!mark.snapshot) {
    coverage_.unaudited(time_us);
    return MarkFate::kUnaudited;
  }
  if (mark.snapshot->truncated)
    complete_from_proc(*mark.snapshot, mark.snapshot->executable, time_us);
  ExecEvent event = event_of(*mark.snapshot, Capture::kExec);
  event.origin = Origin::kUnaudited;
  event.pid = pid;
  event.time_us = time_us;
  if (lost_all(*mark.snapshot)) {
    coverage_.missed(MissReason::kUnreadable, time_us);
    event.capture = Capture::kNone;
    event.missed = MissReason::kUnreadable;
    out_.on_missed(std::move(event));
    return MarkFate::kMissed;
  }
  coverage_.unaudited(time_us);
  out_.on_exec(std::move(event));
  return MarkFate::kGiven;
}

void Correlator::expire_marks(bool all) {
  marks_.expire(clock_.monotonic_ns(), all, [this](int32_t pid, Mark& mark) {
    return expire_one(pid, mark);
  });
}

// ---- Audit events

ExecVerdict Correlator::on_exec(const ExecRecord& record) {
  if (replays_.seen(record)) {
    metrics_.add(Metric::kEventsReplayed);
    return ExecVerdict::drop();
  }
  late_.executed(record.pid);
  Waiting waiting;
  waiting.pid = record.pid;
  waiting.id = record.id.audit_id();
  waiting.audit_us = waiting.id.wall_us();
  waiting.exe = record.exe.decoded();
  waiting.loader = record.loader;
  auto mark = match(waiting);
  if (!mark) {
    refill();
    mark = match(waiting);
  }
  if (mark)
    take_over(waiting, *std::move(mark));
  if (waiting.capture == Capture::kNone && waiting.fate != MarkFate::kMissed)
    read_late(waiting);
  if (!held_.empty())
    mark_replaced(waiting);
  if (waiting.fate == MarkFate::kMissed)
    return ExecVerdict::drop();  // and counted so
  return keep(std::move(waiting));
}

void Correlator::take_over(Waiting& waiting, Mark&& mark) {
  waiting.marked = true;
  waiting.fate = mark.fate;
  waiting.exec_ns = mark.exec_ns;
  waiting.argv_truncated = mark.argv_truncated;
  if (mark.kind == SnapshotKind::kUnread)
    return;
  waiting.capture = Capture::kExec;
  waiting.snapshot = std::move(mark.snapshot);
  if (waiting.snapshot && waiting.snapshot->truncated)
    complete_from_proc(*waiting.snapshot, waiting.exe, waiting.audit_us);
}

// What did not fit, or could not be read before the process went, may still
// be there.
void Correlator::complete_from_proc(ExecSnapshot& snapshot,
                                    std::string_view exe, int64_t event_us) {
  LateRead again = late_.read(snapshot.pid, *watched_, exe, event_us);
  if (again.snapshot && !again.snapshot->truncated)
    adopt_env(snapshot, std::move(*again.snapshot));
}

void Correlator::read_late(Waiting& waiting) {
  LateRead read =
      late_.read(waiting.pid, *watched_, waiting.exe, waiting.audit_us);
  waiting.read_us = clock_.wall_us();
  waiting.read_ns = clock_.monotonic_ns();
  waiting.due_ns = waiting.read_ns + options_.hold_ns;
  waiting.reason = read.reason;
  waiting.snapshot = std::move(read.snapshot);
  if (read.kind != SnapshotKind::kUnread)
    waiting.capture = Capture::kLate;
}

// An exec of the same program in the same pid that began before a late read
// was done: the read may have seen its environment. A value is not to be lost:
// it is the later one's when that has no other.
void Correlator::mark_replaced(Waiting& later) {
  const auto [begin, end] = held_.equal_range(later.pid);
  for (auto it = begin; it != end; ++it) {
    Waiting& earlier = waiting_.at(it->second);
    if (earlier.capture != Capture::kLate || later.audit_us > earlier.read_us ||
        (!same_program(later.exe, earlier.exe) &&
         !same_program(earlier.exe, later.exe)))
      continue;
    waiting_bytes_ -= earlier.snapshot ? weight(*earlier.snapshot) : 0;
    if (earlier.snapshot && later.capture == Capture::kNone &&
        later.fate == MarkFate::kWaits) {
      later.capture = Capture::kLate;
      later.snapshot = std::move(earlier.snapshot);
      later.read_us = earlier.read_us;
      later.read_ns = earlier.read_ns;
    }
    earlier.capture = Capture::kNone;
    earlier.reason = MissReason::kReplaced;
    earlier.snapshot.reset();
  }
}

ExecVerdict Correlator::keep(Waiting&& waiting) {
  // An event is wanted to tell what was found, or what was missed.
  const bool wanted = waiting.snapshot || waiting.loader ||
                      waiting.fate == MarkFate::kGiven ||
                      waiting.capture == Capture::kNone;
  if (!wanted && waiting.capture == Capture::kExec) {  // nearly all of them
    count(waiting);
    return ExecVerdict::drop();
  }
  const size_t bytes = waiting.snapshot ? weight(*waiting.snapshot) : 0;
  if (waiting_bytes_ + bytes > kMaxWaitingBytes && bytes > 0) {
    settle(waiting);
    return ExecVerdict::drop();
  }
  waiting_bytes_ += bytes;
  waiting.expects_event = wanted;
  const uint64_t token = next_token_++;
  if (waiting.capture != Capture::kExec) {
    held_.emplace(waiting.pid, token);
    due_.emplace_back(waiting.due_ns, token);
  }
  waiting_.emplace(token, std::move(waiting));
  return wanted ? ExecVerdict::keep_as(token) : ExecVerdict::drop();
}

void Correlator::on_exec_event(uint64_t token, AuditExec&& exec) {
  const auto found = waiting_.find(token);
  if (found == waiting_.end())
    return;
  Waiting& waiting = found->second;
  waiting.expects_event = false;
  waiting.exec = std::move(exec);
  if (waiting.due_ns <= clock_.monotonic_ns()) {
    release_held(waiting.pid, token);
    settle_and_erase(found);
  }
}

void Correlator::on_preload_file(const ExecRecord& record) {
  ExecEvent event;
  event.origin = Origin::kPreloadFile;
  event.audit = record.id.audit_id();
  event.time_us = event.audit.wall_us();
  event.pid = record.pid;
  event.ppid = record.ppid;
  event.executable = record.exe.decoded();
  event.key = record.key.decoded();
  out_.on_preload_file(std::move(event));
}

void Correlator::release_held(int32_t pid, uint64_t token) {
  const auto [begin, end] = held_.equal_range(pid);
  const auto held = std::find_if(
      begin, end, [&](const auto& entry) { return entry.second == token; });
  if (held != end)
    held_.erase(held);
}

void Correlator::settle_due(bool all) {
  const int64_t now_ns = clock_.monotonic_ns();
  while (!due_.empty() &&
         (all || due_.front().first <= now_ns || waiting_.size() > kMaxHeld)) {
    const uint64_t token = due_.front().second;
    due_.pop_front();
    const auto found = waiting_.find(token);
    if (found == waiting_.end())
      continue;
    release_held(found->second.pid, token);
    found->second.due_ns = 0;
    // Else its records are still being collected: on_exec_event() settles.
    if (!found->second.expects_event)
      settle_and_erase(found);
  }
}

void Correlator::settle_and_erase(WaitingMap::iterator found) {
  Waiting& waiting = found->second;
  waiting_bytes_ -= waiting.snapshot ? weight(*waiting.snapshot) : 0;
  settle(waiting);
  waiting_.erase(found);
}

void Correlator::settle(Waiting& waiting) {
  if (waiting.snapshot && lost_all(*waiting.snapshot)) {
    waiting.capture = Capture::kNone;
    waiting.reason = MissReason::kUnreadable;
  }
  if (!waiting.exec) {
    if (!waiting.snapshot && waiting.capture == Capture::kLate)
      return count(waiting);  // nothing watched
    // Its records were dropped, or do not come any more.
    waiting.exec.emplace();
    waiting.exec->id = std::move(waiting.id);
    waiting.exec->pid = waiting.pid;
    waiting.exec->exe = std::move(waiting.exe);
  }
  if (waiting.fate == MarkFate::kGiven) {
    give_after_all(waiting);
    if (!waiting.loader || !waiting.argv_truncated)
      return count(waiting);
  }
  ExecEvent event = waiting.snapshot
                        ? event_of(*waiting.snapshot, waiting.capture)
                        : ExecEvent{};
  event.capture = waiting.capture;
  event.missed = waiting.reason;
  add_audit(event, *std::move(waiting.exec));
  if (waiting.loader && may_hide_options(event)) {
    if (!event.env.empty() || event.argv.size() > 1)
      give(ExecEvent(event), waiting);
    waiting.capture = event.capture = Capture::kNone;
    waiting.reason = event.missed = MissReason::kUnreadable;
    event.env.clear();
  }
  count(waiting);
  give(std::move(event), waiting);
}

// What was given had its variables, so audit's part is enough.
void Correlator::give_after_all(const Waiting& waiting) {
  ExecEvent event;
  event.capture = Capture::kExec;
  event.exec_ns = waiting.exec_ns;
  add_audit(event, AuditExec(*waiting.exec));
  if (event.argv_truncated)
    event.argv.clear();
  event.argv_truncated = false;
  out_.on_audited_after_all(std::move(event));
}

void Correlator::count(const Waiting& waiting) {
  const bool missed = waiting.capture == Capture::kNone;
  if (waiting.fate != MarkFate::kWaits)
    coverage_.audited_after_all(
        offset_.wall_of(waiting.exec_ns),
        missed ? std::optional(waiting.reason) : std::nullopt);
  else if (missed)
    coverage_.missed(waiting.reason, waiting.audit_us);
  else
    coverage_.captured(waiting.capture, waiting.audit_us);
}

void Correlator::give(ExecEvent&& event, const Waiting& waiting) {
  if (event.capture == Capture::kNone)
    out_.on_missed(std::move(event));
  else if (waiting.snapshot || waiting.loader)
    out_.on_exec(std::move(event));
}

// ---- Time

void Correlator::advance() {
  refill();
  expire_marks(false);
  settle_due(false);
  metrics_.set(Metric::kPendingExecs, pending());
}

void Correlator::finish() {
  refill();
  settle_due(true);
  // Whose records did not come.
  while (!waiting_.empty())
    settle_and_erase(waiting_.begin());
  expire_marks(true);
}

std::optional<int64_t> Correlator::deadline_ns() const {
  std::optional<int64_t> deadline = marks_.deadline_ns();
  if (!due_.empty())
    deadline =
        std::min(deadline.value_or(due_.front().first), due_.front().first);
  return deadline;
}

}  // namespace preload
