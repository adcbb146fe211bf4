// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/correlator.h"

#include <algorithm>
#include <utility>

#include "preload/correlate/join.h"

namespace preload {
namespace {

// Beyond the error of converting one clock to the other.
constexpr int64_t kClockSlackUs = 2'000;
constexpr int64_t kStepUs = 100'000;
// An exec that takes longer must name the same program to be joined.
constexpr int64_t kSlowExecUs = 2 * kMicrosPerSecond;
// Replays are looked for among so many recent audit events.
constexpr size_t kRecentEvents = size_t{1} << 14;

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15U + (hash << 6) + (hash >> 2);
  hash *= 0xff51afd7ed558ccdU;
  return hash ^ (hash >> 33);
}

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
      recent_(kRecentEvents) {
  offset_us_ = clock_.wall_us() - clock_.monotonic_ns() / kNanosPerMicro;
  offset_before_us_ = offset_us_;
}

int64_t Correlator::wall_of(uint64_t exec_ns) const {
  return static_cast<int64_t>(exec_ns) / kNanosPerMicro + offset_us_;
}

void Correlator::watch_clock() {
  const int64_t now_ns = clock_.monotonic_ns();
  const int64_t offset = clock_.wall_us() - now_ns / kNanosPerMicro;
  if (std::abs(offset - offset_us_) > kStepUs) {
    offset_before_us_ = offset_us_;
    stepped_ns_ = now_ns;
  } else if (now_ns - stepped_ns_ > options_.audit_wait_ns) {
    offset_before_us_ = offset;
  }
  offset_us_ = offset;
}

// ---- Marks

void Correlator::refill() {
  watch_clock();
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
  if (mark.kind != SnapshotKind::kUnread && upgrade_held(mark))
    return;
  std::vector<Mark>& marks = marks_[mark.pid];
  const auto later =
      std::find_if(marks.begin(), marks.end(),
                   [&](const Mark& m) { return m.exec_ns > mark.exec_ns; });
  expiry_.push_back(
      {mark.pid, mark.exec_ns, clock_.monotonic_ns() + options_.audit_wait_ns});
  marks.insert(later,
               Mark{mark.exec_ns, mark.kind, false, std::move(mark.snapshot)});
  ++marks_count_;
}

// A mark that comes after its audit event was read late is the better source.
bool Correlator::upgrade_held(ExecMark& mark) {
  const auto [begin, end] = held_.equal_range(mark.pid);
  for (auto it = begin; it != end; ++it) {
    Waiting& waiting = waiting_.at(it->second);
    const int64_t mark_us = wall_of(mark.exec_ns);
    if (mark_us + kClockSlackUs < waiting.audit_us ||
        mark_us > waiting.read_us + kClockSlackUs)
      continue;
    if (mark.snapshot && !same_program(mark.snapshot->executable, waiting.exe))
      continue;
    waiting.capture = Capture::kExec;
    waiting.snapshot = std::move(mark.snapshot);
    waiting.due_ns = 0;
    held_.erase(it);
    return true;
  }
  return false;
}

std::optional<Correlator::Mark> Correlator::match(int32_t pid, int64_t audit_us,
                                                  const std::string& exe) {
  const auto found = marks_.find(pid);
  if (found == marks_.end())
    return std::nullopt;
  std::vector<Mark>& marks = found->second;
  const int64_t step = std::max<int64_t>(0, offset_before_us_ - offset_us_);
  auto chosen = marks.end();
  for (auto it = marks.begin(); it != marks.end(); ++it) {
    const int64_t mark_us = wall_of(it->exec_ns);
    if (mark_us + step + kClockSlackUs < audit_us)
      continue;  // of an earlier exec that audit has not reported
    const bool fits =
        !it->snapshot || same_program(it->snapshot->executable, exe);
    if (fits) {
      chosen = it;
      break;
    }
    // Bind mounts can make the two names differ altogether.
    if (chosen == marks.end() && mark_us - audit_us < kSlowExecUs)
      chosen = it;
  }
  if (chosen == marks.end())
    return std::nullopt;
  Mark mark = std::move(*chosen);
  marks.erase(chosen);
  --marks_count_;
  if (marks.empty())
    marks_.erase(found);
  return mark;
}

void Correlator::expire_one(int32_t pid, Mark& mark) {
  const int64_t time_us = wall_of(mark.exec_ns);
  if (mark.kind == SnapshotKind::kUnread)
    coverage_.missed(MissReason::kExited, time_us);
  else
    coverage_.unaudited(time_us);
  mark.counted = true;
  if (mark.snapshot) {
    ExecEvent event = event_of(*mark.snapshot, Capture::kExec);
    event.origin = Origin::kUnaudited;
    event.time_us = time_us;
    out_.on_exec(std::move(event));
  }
  forgetting_.push_back(
      {pid, mark.exec_ns, clock_.monotonic_ns() + kRememberNs});
}

void Correlator::expire_marks(bool all) {
  const int64_t now_ns = clock_.monotonic_ns();
  const auto find = [&](const MarkRef& ref) -> Mark* {
    const auto found = marks_.find(ref.pid);
    if (found == marks_.end())
      return nullptr;
    for (Mark& mark : found->second)
      if (mark.exec_ns == ref.exec_ns)
        return &mark;
    return nullptr;
  };
  while (!expiry_.empty() && (all || expiry_.front().due_ns <= now_ns ||
                              marks_count_ > kMaxMarks)) {
    Mark* mark = find(expiry_.front());
    if (mark != nullptr && !mark->counted)
      expire_one(expiry_.front().pid, *mark);
    expiry_.pop_front();
  }
  while (!forgetting_.empty() && (forgetting_.front().due_ns <= now_ns ||
                                  marks_count_ > kMaxMarks / 2)) {
    const MarkRef ref = forgetting_.front();
    forgetting_.pop_front();
    const auto found = marks_.find(ref.pid);
    if (found == marks_.end())
      continue;
    marks_count_ -= std::erase_if(found->second, [&](const Mark& mark) {
      return mark.counted && mark.exec_ns == ref.exec_ns;
    });
    if (found->second.empty())
      marks_.erase(found);
  }
}

// ---- Audit events

bool Correlator::replayed(const ExecRecord& record) {
  uint64_t print = mix(record.id.serial, static_cast<uint64_t>(record.id.sec));
  print = mix(print, record.id.ms);
  print = mix(print, static_cast<uint64_t>(record.pid));
  uint64_t& slot = recent_[print % kRecentEvents];
  if (slot == print) {
    metrics_.add(Metric::kEventsReplayed);
    return true;
  }
  slot = print;
  return false;
}

ExecVerdict Correlator::on_exec(const ExecRecord& record) {
  if (replayed(record))
    return ExecVerdict::drop();
  late_.executed(record.pid);
  Waiting waiting;
  waiting.pid = record.pid;
  waiting.id = record.id.audit_id();
  waiting.audit_us = waiting.id.wall_us();
  waiting.exe = record.exe.decoded();
  waiting.loader = record.loader;
  auto mark = match(record.pid, waiting.audit_us, waiting.exe);
  if (!mark) {
    refill();
    mark = match(record.pid, waiting.audit_us, waiting.exe);
  }
  if (!held_.empty())
    mark_replaced(waiting);
  if (mark && mark->counted) {
    if (mark->kind == SnapshotKind::kUnread)
      return ExecVerdict::drop();  // missed, and counted so
    coverage_.audited_after_all(wall_of(mark->exec_ns));
  }
  if (!mark || mark->kind == SnapshotKind::kUnread) {
    read_late(waiting);
    return keep(std::move(waiting));
  }
  if (!mark->snapshot && !record.loader) {  // nearly all of them
    if (!mark->counted)
      coverage_.captured(Capture::kExec, waiting.audit_us);
    return ExecVerdict::drop();
  }
  waiting.capture = Capture::kExec;
  waiting.after_all = mark->counted;
  waiting.snapshot = std::move(mark->snapshot);
  if (waiting.snapshot && waiting.snapshot->truncated)
    complete_from_proc(waiting);
  return keep(std::move(waiting));
}

// What did not fit, or could not be read before the process went, may still
// be there.
void Correlator::complete_from_proc(Waiting& waiting) {
  LateRead again =
      late_.read(waiting.pid, *watched_, waiting.exe, waiting.audit_us);
  if (again.snapshot && !again.snapshot->truncated &&
      again.snapshot->env.size() > waiting.snapshot->env.size())
    waiting.snapshot->env = std::move(again.snapshot->env);
}

void Correlator::read_late(Waiting& waiting) {
  LateRead read =
      late_.read(waiting.pid, *watched_, waiting.exe, waiting.audit_us);
  waiting.read_us = clock_.wall_us();
  waiting.due_ns = clock_.monotonic_ns() + options_.hold_ns;
  waiting.reason = read.reason;
  waiting.snapshot = std::move(read.snapshot);
  if (read.kind != SnapshotKind::kUnread)
    waiting.capture = Capture::kLate;
}

// An exec of the same program in the same pid that began before a late read
// was done: the read may have seen its environment.
void Correlator::mark_replaced(const Waiting& later) {
  const auto [begin, end] = held_.equal_range(later.pid);
  for (auto it = begin; it != end; ++it) {
    Waiting& earlier = waiting_.at(it->second);
    if (earlier.capture != Capture::kLate || later.audit_us > earlier.read_us ||
        later.exe != earlier.exe)
      continue;
    earlier.capture = Capture::kNone;
    earlier.reason = MissReason::kReplaced;
    earlier.snapshot.reset();
  }
}

ExecVerdict Correlator::keep(Waiting&& waiting) {
  const uint64_t token = next_token_++;
  // An event is wanted to tell what was found, or what was missed.
  waiting.expects_event =
      waiting.snapshot || waiting.loader || waiting.capture == Capture::kNone;
  const bool wanted = waiting.expects_event;
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
    settle(waiting);
    waiting_.erase(found);
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
         (all || due_.front().first <= now_ns || waiting_.size() > kMaxMarks)) {
    const uint64_t token = due_.front().second;
    due_.pop_front();
    const auto found = waiting_.find(token);
    if (found == waiting_.end())
      continue;
    release_held(found->second.pid, token);
    found->second.due_ns = 0;
    // Else its records are still being collected: on_exec_event() settles.
    if (!found->second.expects_event) {
      settle(found->second);
      waiting_.erase(found);
    }
  }
}

void Correlator::settle(Waiting& waiting) {
  if (waiting.capture == Capture::kNone)
    coverage_.missed(waiting.reason, waiting.audit_us);
  else if (!waiting.after_all)
    coverage_.captured(waiting.capture, waiting.audit_us);
  if (!waiting.exec) {
    if (!waiting.snapshot)
      return;  // nothing watched: it only counts
    // A late read saw nothing, so its records were dropped; the mark knew
    // better.
    waiting.exec.emplace();
    waiting.exec->id = std::move(waiting.id);
    waiting.exec->pid = waiting.pid;
    waiting.exec->exe = std::move(waiting.exe);
  }
  ExecEvent event = waiting.snapshot
                        ? event_of(*waiting.snapshot, waiting.capture)
                        : ExecEvent{};
  event.capture = waiting.capture;
  event.missed = waiting.reason;
  add_audit(event, std::move(*waiting.exec));
  if (waiting.capture == Capture::kNone)
    out_.on_missed(std::move(event));
  else if (waiting.after_all)
    out_.on_audited_after_all(std::move(event));
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
  expire_marks(true);
}

std::optional<int64_t> Correlator::deadline_ns() const {
  std::optional<int64_t> deadline;
  if (!expiry_.empty())
    deadline = expiry_.front().due_ns;
  if (!due_.empty())
    deadline =
        std::min(deadline.value_or(due_.front().first), due_.front().first);
  return deadline;
}

}  // namespace preload
