// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/assembler.h"

#include <algorithm>
#include <utility>

namespace preload {
namespace {

// A record up to its first field. All that the kernel writes into CWD, and
// libauparse 3.0.9 leaks the first of two.
std::string_view one_field(const Record& record) {
  const size_t head = record.text.size() - record.body.size();
  return record.text.substr(0, record.text.find(' ', head));
}

}  // namespace

Assembler::Assembler(const Clock& clock, Metrics& metrics,
                     AuditHandler& handler, ExecParser& parser)
    : clock_(clock), metrics_(metrics), handler_(handler), parser_(parser) {}

void Assembler::on_record(std::string_view line) {
  const std::optional<Record> record = scan_record(line);
  if (!record) {
    metrics_.add(Metric::kRecordsMalformed);
    return;
  }
  if (record->type == RecordType::kSyscall) {
    on_syscall(*record);
    return;
  }
  if (record->type == RecordType::kOther || open_.empty())
    return;
  const auto event = open_.find(record->id);
  if (event == open_.end() || event->second.complete)
    return;
  if (record->type == RecordType::kExecve)
    append(event, record->text);
  else if (record->type == RecordType::kCwd)
    append(event, one_field(*record));
  else
    complete(event);
}

void Assembler::on_syscall(const Record& record) {
  std::optional<SyscallRecord> syscall = scan_syscall(record.body);
  if (!syscall) {
    metrics_.add(Metric::kRecordsMalformed);
    return;
  }
  if (!syscall->success)
    return;
  syscall->id = record.id;
  if (has_key(syscall->key, kPreloadFileKey))
    handler_.on_preload_file(*syscall);
  // A repeated record adds nothing to an event that is open.
  if (syscall->exec.empty() || (!open_.empty() && open_.contains(record.id)))
    return;
  if (const auto token = handler_.on_exec(*syscall))
    open_event(*syscall, *token, record.text);
}

void Assembler::open_event(const SyscallRecord& exec, uint64_t token,
                           std::string_view text) {
  if (open_.size() == kMaxOpen)
    end(oldest(), true);
  OpenEvent event;
  event.token = token;
  event.opened_ns = clock_.monotonic_ns();
  event.scanned.pid = exec.pid;
  event.scanned.ppid = exec.ppid;
  event.scanned.syscall = exec.exec;
  event.scanned.exe = exec.exe.decoded();
  event.scanned.key = exec.key.decoded();
  std::replace(event.scanned.key.begin(), event.scanned.key.end(), '\x01', ',');
  append(open_.emplace(exec.id.audit_id(), std::move(event)).first, text);
}

void Assembler::append(OpenEvents::iterator event, std::string_view text) {
  OpenEvent& open = event->second;
  // libauparse takes a NUL for the end; the kernel writes none.
  if (text.find('\0') != std::string_view::npos) {
    metrics_.add(Metric::kRecordsMalformed);
    return;
  }
  const size_t size = text.size() + 1;
  if (open.records.size() + size > kMaxEventBytes ||
      open.record_count == kMaxEventRecords) {
    cut(open);
    return;
  }
  open.records += text;
  open.records += '\n';
  ++open.record_count;
  bytes_ += size;
  while (bytes_ > kMaxBytes)
    end(oldest(), true);
}

void Assembler::cut(OpenEvent& event) {
  if (!std::exchange(event.cut, true))
    metrics_.add(Metric::kRecordsOrphaned);
}

Assembler::OpenEvents::const_iterator Assembler::oldest() const {
  return std::min_element(open_.begin(), open_.end(),
                          [](const auto& a, const auto& b) {
                            return a.second.opened_ns < b.second.opened_ns;
                          });
}

void Assembler::complete(OpenEvents::iterator event) {
  event->second.complete = true;
  if (handler_.wanted(event->second.token) != AuditHandler::Wanted::kNotYet)
    end(event, false);
}

void Assembler::end(OpenEvents::const_iterator event, bool early) {
  auto node = open_.extract(event);
  OpenEvent& ended = node.mapped();
  if (early && !ended.complete)
    cut(ended);
  bytes_ -= ended.records.size();
  if (handler_.wanted(ended.token) == AuditHandler::Wanted::kNo)
    return;
  Result<AuditExec> parsed = parser_.parse(ended.records);
  // Both read the same text. Should they disagree about the pid, the handler's
  // decision was made on that of the scan.
  if (!parsed || parsed->pid != ended.scanned.pid) {
    cut(ended);
    parsed = ended.scanned;
  }
  parsed->id = node.key();
  parsed->syscall = std::move(ended.scanned.syscall);
  handler_.on_exec_event(ended.token, *std::move(parsed));
}

void Assembler::expire() {
  const int64_t opened_before = clock_.monotonic_ns() - kEventTimeoutNs;
  for (auto event = open_.begin(); event != open_.end();) {
    const auto current = event++;
    if (current->second.opened_ns <= opened_before)
      end(current, true);
    else if (current->second.complete)
      complete(current);
  }
}

void Assembler::flush() {
  while (!open_.empty())
    end(open_.begin(), false);
}

std::optional<int64_t> Assembler::deadline_ns() const {
  if (open_.empty())
    return std::nullopt;
  return oldest()->second.opened_ns + kEventTimeoutNs;
}

}  // namespace preload
