// SPDX-License-Identifier: Apache-2.0
// Joins what the listeners saw with what audit told, exec by exec.
//
// Every successful audited exec ends as exactly one of: captured at exec,
// captured late, or missed with a reason. Every exec that only the listeners
// saw ends as unaudited - or, if its audit event comes after all, becomes a
// captured one. Nothing else is counted.
//
// Marks (of listeners) and audit events are joined by pid, in order. Audit's
// time is that of the coarse clock at syscall entry, a mark's that of the end
// of the exec, so the mark of an exec is never earlier than its audit event;
// among those that are not, the first whose program fits is taken.
//
// An exec without a mark is read late, at once, and then held for a moment:
// a mark that still comes takes precedence, and another audited exec of the
// same program in the pid, begun before the read, shows that the read may have
// seen that one's environment.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "preload/audit/assembler.h"
#include "preload/base/clock.h"
#include "preload/base/metrics.h"
#include "preload/capture/exec_capture.h"
#include "preload/correlate/coverage.h"
#include "preload/correlate/exec_event.h"
#include "preload/correlate/late_reader.h"
#include "preload/correlate/mark_table.h"
#include "preload/correlate/replays.h"
#include "preload/correlate/wall_offset.h"

namespace preload {

// Where joined events go. Called on the correlator's thread; must not block.
class ExecHandler {
 public:
  ExecHandler() = default;
  ExecHandler(const ExecHandler&) = delete;
  ExecHandler& operator=(const ExecHandler&) = delete;
  virtual ~ExecHandler() = default;

  // An exec with a watched variable, or of a dynamic loader. Origin kExec or
  // kUnaudited.
  virtual void on_exec(ExecEvent&& event) = 0;
  // The audit event of an exec given as kUnaudited before (the same pid and
  // exec_ns) has come: what it adds. `argv` is empty unless it is whole.
  virtual void on_audited_after_all(ExecEvent&& event) = 0;
  // Capture kNone, with its reason.
  virtual void on_missed(ExecEvent&& event) = 0;
  // The watch on /etc/ld.so.preload has fired: the program that touched it, as
  // far as its SYSCALL record tells, without variables. Origin kPreloadFile.
  virtual void on_preload_file(ExecEvent&& event) = 0;
};

class Correlator final : public AuditHandler {
 public:
  // Late reads over these are settled early. Snapshots that wait for the rest
  // of their audit event: those over the bound are given without it.
  static constexpr size_t kMaxHeld = 65'536;
  static constexpr size_t kMaxWaitingBytes = size_t{32} << 20;

  struct Options {
    int64_t audit_wait_ns = 5 * kNanosPerSecond;
    // How long a late read is held. Listeners at nice -20 may be late by some
    // milliseconds, the next record of a pid comes within auditd's delay.
    int64_t hold_ns = 250 * kNanosPerMilli;
  };

  // Gives the marks that have come since the last call.
  using Refill = std::function<void(std::vector<ExecMark>&)>;

  // All but `refill` must outlive it; so must the list that `watched` points
  // to until another is set.
  Correlator(const Clock& clock, Metrics& metrics, LateReader& late,
             ExecHandler& out, Refill refill, const WatchList* watched,
             Options options);

  void set_watched(const WatchList* watched) { watched_ = watched; }
  void set_options(Options options) { options_ = options; }

  // Takes the listeners' marks and settles what is due: after each batch of
  // records and at deadline_ns().
  void advance();
  // Settles everything: the end. What has not been joined by now is given as
  // unaudited, so that nothing is lost.
  void finish();

  // When advance() has something to do (CLOCK_MONOTONIC); nothing when idle.
  [[nodiscard]] std::optional<int64_t> deadline_ns() const;
  [[nodiscard]] std::vector<CoverageDelta> take_coverage() {
    return coverage_.take();
  }
  // Marks and events that wait for their other half.
  [[nodiscard]] size_t pending() const {
    return marks_.waiting() + waiting_.size();
  }
  // Marks counted as unaudited whose audit event may come after all.
  [[nodiscard]] size_t remembered() const { return marks_.remembered(); }

  ExecVerdict on_exec(const ExecRecord& record) override;
  void on_exec_event(uint64_t token, AuditExec&& exec) override;
  void on_preload_file(const ExecRecord& record) override;

 private:
  // An audited exec on its way out.
  struct Waiting {
    int32_t pid = 0;
    AuditId id;
    int64_t audit_us = 0;
    std::string exe;
    // kExec with a snapshot, kLate with or without one, kNone.
    Capture capture = Capture::kNone;
    MissReason reason = MissReason::kExited;
    std::unique_ptr<ExecSnapshot> snapshot;
    bool loader = false;
    bool marked = false;  // its mark has come
    // Of its mark, which may have been settled as unaudited.
    MarkFate fate = MarkFate::kWaits;
    uint64_t exec_ns = 0;
    bool argv_truncated = false;
    bool expects_event = false;
    std::optional<AuditExec> exec;
    int64_t read_us = 0;  // when it was read late: wall clock
    int64_t read_ns = 0;  // and CLOCK_MONOTONIC, as marks have it
    int64_t due_ns = 0;   // no earlier
  };
  using WaitingMap = std::unordered_map<uint64_t, Waiting>;

  void refill();
  void add_mark(ExecMark&& mark);
  bool upgrade_held(ExecMark& mark);
  std::optional<Mark> match(const Waiting& waiting);
  MarkFate expire_one(int32_t pid, Mark& mark);
  void expire_marks(bool all);
  void take_over(Waiting& waiting, Mark&& mark);
  void read_late(Waiting& waiting);
  void complete_from_proc(ExecSnapshot& snapshot, std::string_view exe,
                          int64_t event_us);
  void mark_replaced(Waiting& later);

  ExecVerdict keep(Waiting&& waiting);
  void settle_due(bool all);
  void settle_and_erase(WaitingMap::iterator found);
  void settle(Waiting& waiting);
  void count(const Waiting& waiting);
  void give(ExecEvent&& event, const Waiting& waiting);
  void give_after_all(const Waiting& waiting);
  void release_held(int32_t pid, uint64_t token);

  const Clock& clock_;
  LateReader& late_;
  ExecHandler& out_;
  Metrics& metrics_;
  Refill refill_;
  const WatchList* watched_;
  Options options_;
  Coverage coverage_;

  MarkTable marks_;
  WaitingMap waiting_;
  size_t waiting_bytes_ = 0;                         // of their snapshots
  std::deque<std::pair<int64_t, uint64_t>> due_;     // (due_ns, token)
  std::unordered_multimap<int32_t, uint64_t> held_;  // late reads, by pid
  uint64_t next_token_ = 1;

  WallOffset offset_;
  Replays replays_;
  std::vector<ExecMark> inbox_;
};

}  // namespace preload
