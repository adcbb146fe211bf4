// SPDX-License-Identifier: Apache-2.0
// Assembles record lines into exec events: reports each exec when its SYSCALL
// record arrives, and collects and parses only the events that the handler
// wants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "preload/audit/exec_parser.h"
#include "preload/audit/record_scan.h"
#include "preload/base/clock.h"
#include "preload/base/metrics.h"

namespace preload {

// The key of the rule that watches /etc/ld.so.preload.
inline constexpr std::string_view kPreloadFileKey = "preload-file";

// What the assembler reports to. Its functions must not call the assembler.
class AuditHandler {
 public:
  AuditHandler() = default;
  AuditHandler(const AuditHandler&) = delete;
  AuditHandler& operator=(const AuditHandler&) = delete;
  virtual ~AuditHandler() = default;

  // A successful exec; `record` is valid during the call only. Returns the
  // token by which the handler identifies the event later; nothing: it is
  // dropped.
  virtual std::optional<uint64_t> on_exec(const SyscallRecord& record) = 0;
  // Whether an exec that was kept is to be parsed, when its records are all
  // there. kNotYet: asked again at each expire(). After kNo it is forgotten.
  enum class Wanted : uint8_t { kYes, kNo, kNotYet };
  virtual Wanted wanted(uint64_t token) = 0;
  // An exec that was kept and is wanted: once each, whatever becomes of its
  // records. When they could not be parsed, `exec` has only what the
  // SYSCALL record had.
  virtual void on_exec_event(uint64_t token, AuditExec&& exec) = 0;
  // A successful call, of any kind, whose key is kPreloadFileKey.
  virtual void on_preload_file(const SyscallRecord& record) = 0;
};

// One thread. An event ends with its EOE record, or with PROCTITLE, which the
// kernel logs last and which streams without EOE (audit.log) have; or after
// kEventTimeout; or when a bound is reached. The last two end an event also
// while it is not decided whether it is wanted. Records of an event that is not
// open (dropped, ended, or begun before the plugin) are ignored.
//
// Bounds, and what happens then: a record over kMaxEventBytes or
// kMaxEventRecords is left out of its event; over kMaxOpen or kMaxBytes the
// event that has waited longest ends early. Each such event is counted in
// Metric::kRecordsOrphaned, as is one that never ended or that libauparse could
// not parse.
class Assembler {
 public:
  static constexpr size_t kMaxOpen = 1024;
  static constexpr size_t kMaxBytes = size_t{4} << 20;
  static constexpr size_t kMaxEventBytes = size_t{1} << 20;
  // The kernel fills EXECVE records to 7500 bytes, so kMaxEventBytes is about
  // 140 of them; libauparse takes time with the square of the records.
  static constexpr size_t kMaxEventRecords = 512;
  // As long as auditd and libauparse wait (end_of_event_timeout).
  static constexpr int64_t kEventTimeoutNs = 2 * kNanosPerSecond;

  // All four must outlive the assembler.
  Assembler(const Clock& clock, Metrics& metrics, AuditHandler& handler,
            ExecParser& parser);

  // A line without its newline.
  void on_record(std::string_view line);
  // Ends the events that have waited for kEventTimeout. Call it after each
  // batch and at deadline_ns().
  void expire();
  // Ends all events, at the end of the stream.
  void flush();

  // When the next event times out (CLOCK_MONOTONIC); nothing when none is open.
  [[nodiscard]] std::optional<int64_t> deadline_ns() const;
  [[nodiscard]] size_t open() const { return open_.size(); }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  struct OpenEvent {
    uint64_t token = 0;
    int64_t opened_ns = 0;
    AuditExec scanned;    // what SyscallRecord had
    std::string records;  // for ExecParser
    size_t record_count = 0;
    bool cut = false;
    bool complete = false;  // but it is not known yet whether it is wanted
  };
  struct ById {
    using is_transparent = void;
    static auto key(const auto& id) {
      return std::tuple(id.serial, id.sec, id.ms, std::string_view(id.node));
    }
    bool operator()(const auto& a, const auto& b) const {
      return key(a) < key(b);
    }
  };
  using OpenEvents = std::map<AuditId, OpenEvent, ById>;

  void on_syscall(const Record& record);
  void open_event(const SyscallRecord& exec, uint64_t token,
                  std::string_view text);
  void append(OpenEvents::iterator event, std::string_view text);
  [[nodiscard]] OpenEvents::const_iterator oldest() const;
  void complete(OpenEvents::iterator event);
  void end(OpenEvents::const_iterator event, bool early);
  void cut(OpenEvent& event);

  const Clock& clock_;
  Metrics& metrics_;
  AuditHandler& handler_;
  ExecParser& parser_;
  OpenEvents open_;
  size_t bytes_ = 0;  // of all OpenEvent::records
};

}  // namespace preload
