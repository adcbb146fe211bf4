// SPDX-License-Identifier: Apache-2.0
// Joins what listeners report with what audit reports, exec by exec. Each exec
// is settled once:
//
// * at its audit event, as captured at exec, captured late, or missed with a
//   reason;
// * after `audit_wait` without one, as unaudited - or as missed, when its
//   listener could not read it.
//
// An audit event that comes after that only corrects the count: the exec was
// captured, or, of a dynamic loader whose arguments were not seen, missed. It
// does not raise an alert and adds nothing to one. Where audit is slower than
// `audit_wait`, that is to be raised.
//
// Notices of listeners and audit events are joined by pid, in order. Audit's
// time is that of the coarse clock at syscall entry, a notice's that of the end
// of the exec, so the notice of an exec is never earlier than its audit event;
// among those that are not, the first whose program fits is taken.
//
// The environment of an exec without a notice is read late: requested at once,
// and then held for a moment. A notice that still comes takes precedence, and
// another audited exec of the same program in the pid, begun before the read,
// shows that the read may have seen that one's environment.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "preload/audit/assembler.h"
#include "preload/base/clock.h"
#include "preload/base/metrics.h"
#include "preload/correlate/coverage.h"
#include "preload/correlate/exec.h"
#include "preload/correlate/exec_event.h"
#include "preload/correlate/late_reader.h"
#include "preload/correlate/parent_programs.h"
#include "preload/correlate/waiting_execs.h"
#include "preload/correlate/wall_offset.h"

namespace preload {

// Where settled execs go. Called on the correlator's thread; must not block.
class ExecHandler {
 public:
  ExecHandler() = default;
  ExecHandler(const ExecHandler&) = delete;
  ExecHandler& operator=(const ExecHandler&) = delete;
  virtual ~ExecHandler() = default;

  // An exec with a watched variable, or of a dynamic loader. Origin kExec or
  // kUnaudited.
  virtual void on_exec(ExecEventPtr event) = 0;
  // Capture kNone, with its reason.
  virtual void on_missed(ExecEventPtr event) = 0;
  // The watch on /etc/ld.so.preload has fired: the program that opened it, as
  // far as its SYSCALL record says, without variables. Origin kPreloadFile.
  virtual void on_preload_file(ExecEventPtr event) = 0;
  // The name of a user, for execs whose audit records lack it; empty: not
  // known at once.
  virtual std::string user_name(uint32_t /*uid*/) { return {}; }
};

class Correlator final : public AuditHandler {
 public:
  // Late reads over these are settled early. Snapshots that wait for the rest
  // of their audit event: those over the bound are given without it.
  static constexpr size_t kMaxHeld = 65'536;
  static constexpr size_t kMaxAuditedBytes = size_t{32} << 20;

  struct Options {
    int64_t audit_wait_ns = 5 * kNanosPerSecond;
    // How long a late read is held. Listeners at nice -20 may be late by some
    // milliseconds, the next record of a pid comes within auditd's delay.
    int64_t hold_ns = 250 * kNanosPerMilli;
  };

  // Adds the notices that have come since the last call.
  using Refill = std::function<void(std::vector<ExecNotice>&)>;
  // Hands on a request, whose result comes by on_late_result(). False: refused.
  using Request = std::function<bool(LateRequest&&)>;

  // `clock`, `metrics` and `out` must outlive it.
  Correlator(const Clock& clock, Metrics& metrics, ExecHandler& out,
             Refill refill, Request request, Options options);

  void set_options(Options options) { options_ = options; }

  // Takes the listeners' notices and settles what is due: after each batch of
  // records and at deadline_ns().
  void advance();
  // Settles everything: the end. What has not been joined by now is given as
  // unaudited, so that nothing is lost.
  void finish();
  // Of kEnvironment and kProgram.
  void on_late_result(LateResult&& result);

  // When advance() has something to do (CLOCK_MONOTONIC); nothing when idle.
  [[nodiscard]] std::optional<int64_t> deadline_ns() const;
  [[nodiscard]] std::vector<CoverageDelta> take_coverage() {
    return coverage_.take();
  }
  // Execs that are not settled.
  [[nodiscard]] size_t pending() const {
    return waiting_.waiting() + audited_.size();
  }
  // Execs settled without audit whose audit event may still come.
  [[nodiscard]] size_t remembered() const { return waiting_.remembered(); }

  std::optional<uint64_t> on_exec(const SyscallRecord& record) override;
  Wanted wanted(uint64_t token) override;
  void on_exec_event(uint64_t token, AuditExec&& exec) override;
  void on_preload_file(const SyscallRecord& record) override;

 private:
  // An audit event. auditd repeats some after it was restarted.
  struct Seen {
    uint64_t serial = 0;
    int64_t wall_us = 0;
    int32_t pid = 0;
    bool operator==(const Seen&) const = default;
  };
  static constexpr size_t kSeen = size_t{1} << 14;

  void refill();
  void add_notice(ExecNotice&& notice);
  Exec* upgrade_held(ExecNotice& notice);
  std::optional<Exec> match(const SyscallRecord& record, std::string_view exe);
  void correct(const Exec& settled, const SyscallRecord& record, bool loader);
  std::optional<uint64_t> keep(Exec&& exec);

  void complete(Exec& exec);
  void read_late(Exec& exec);
  bool request(Exec& exec, LateRequest&& what);
  void take_read(Exec& exec, LateResult&& result);
  void replace_late_reads(int32_t pid, int64_t audit_us, std::string_view exe,
                          Exec* next);
  void replace_late_read(Exec& exec, Exec* next);
  Exec* find(int32_t pid, uint64_t token);
  Exec* find_audited(uint64_t token);
  void recount(Exec& exec);

  void settle_due(bool all);
  void settle_if_ready(Exec& exec);
  void settle_and_erase(Exec& exec);
  void settle(Exec& exec);
  void settle_unaudited(Exec& exec);
  void give(ExecEvent&& event);
  void release_held(int32_t pid, uint64_t token);

  const Clock& clock_;
  ExecHandler& out_;
  Metrics& metrics_;
  Refill refill_;
  Request request_;
  Options options_;
  Coverage coverage_;

  WaitingExecs waiting_;  // for audit
  // Execs that audit has reported, by token.
  std::unordered_map<uint64_t, Exec> audited_;
  size_t audited_bytes_ = 0;                         // of their snapshots
  std::deque<std::pair<int64_t, uint64_t>> due_;     // (due_ns, token)
  std::unordered_multimap<int32_t, uint64_t> held_;  // late reads, by pid
  uint64_t next_token_ = 1;

  ParentPrograms parents_;
  WallOffset offset_;
  // The latest events, by serial: a newer one takes the place of another.
  std::vector<Seen> seen_ = std::vector<Seen>(kSeen);
  std::vector<ExecNotice> inbox_;
};

}  // namespace preload
