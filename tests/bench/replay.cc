// SPDX-License-Identifier: Apache-2.0
// replay DATABASE nothing|known|new PASSES <RECORDS
// The parts of the pipeline on a file of audit records, in one thread: what an
// exec costs between auditd's socket and the outbox when the listeners have
// done their work. For each exec there is the notice that they would have left:
// nothing watched, always the same value, or one never used before. Prints
// microseconds of CPU per exec.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "preload/audit/assembler.h"
#include "preload/audit/exec_parser.h"
#include "preload/audit/record_reader.h"
#include "preload/audit/record_scan.h"
#include "preload/base/config.h"
#include "preload/capture/environ_scanner.h"
#include "preload/correlate/correlator.h"
#include "preload/detect/new_terms.h"
#include "preload/store/store.h"
#include "support/store_helper.h"

namespace preload {
namespace {

// As many events as the store takes in one transaction when all is quiet.
constexpr size_t kBatch = 64;

class Recorder final : public ExecHandler {
 public:
  Recorder(const std::string& database, const Clock& clock)
      : clock_(clock),
        store_(must(Store::open(database, clock))),
        rule_(must(make_rule(Config(), "", 0))) {}

  void on_exec(ExecEventPtr event) override {
    events_.push_back(std::move(event));
    if (events_.size() == kBatch)
      store();
  }
  void on_missed(ExecEventPtr /*event*/) override {
    throw std::runtime_error("an exec was missed");
  }
  void on_preload_file(ExecEventPtr /*event*/) override {}

  void store() {
    must(store_->begin());
    for (const ExecEventPtr& event : events_) {
      const auto decisions =
          must(rule_.decide(*event, clock_.wall_us(), store_->terms()));
      must(store_->record(event, decisions, kMark));
    }
    must(store_->commit());
    recorded_ += events_.size();
    events_.clear();
  }
  void flush() { must(store_->flush()); }
  [[nodiscard]] size_t recorded() const { return recorded_; }

 private:
  const Clock& clock_;
  std::unique_ptr<Store> store_;
  NewTerms rule_;
  std::vector<ExecEventPtr> events_;
  size_t recorded_ = 0;
};

struct Audited {
  int32_t pid = 0;
  int64_t time_us = 0;
  std::string exe;
};

std::vector<Audited> execs_in(std::string_view records) {
  std::vector<Audited> execs;
  for (size_t at = 0; at < records.size();) {
    const size_t end = records.find('\n', at);
    const auto record = scan_record(records.substr(at, end - at));
    if (record && record->type == RecordType::kSyscall) {
      const auto call = scan_syscall(record->body).value();
      execs.push_back(
          {call.pid, record->id.audit_id().wall_us(), call.exe.decoded()});
    }
    at = end + 1;
  }
  return execs;
}

// The notice of one exec; `value` empty: nothing watched.
ExecNotice noticed(const Audited& exec, const Clock& clock,
                   const std::string& value) {
  const int64_t offset_us = clock.wall_us() - clock.monotonic_ns() / 1000;
  ExecNotice result;
  result.pid = exec.pid;
  result.exec_ns =
      static_cast<uint64_t>((exec.time_us + 1000 - offset_us) * 1000);
  result.kind = SnapshotKind::kNothing;
  if (value.empty())
    return result;
  result.kind = SnapshotKind::kWatched;
  auto snapshot = std::make_unique<ExecSnapshot>();
  snapshot->pid = exec.pid;
  snapshot->exec_ns = result.exec_ns;
  snapshot->env = {{"LD_PRELOAD", value}};
  snapshot->executable = exec.exe;
  snapshot->parent_executable = "/usr/bin/bash";
  snapshot->argv = {exec.exe, "stay"};
  snapshot->cwd = "/root";
  snapshot->uid = snapshot->euid = 0;
  snapshot->gid = snapshot->egid = 0;
  result.snapshot = std::move(snapshot);
  return result;
}

int64_t cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * kNanosPerSecond + now.tv_nsec;
}

// One pass over the records in `fd`. Gives the CPU time in ns.
int64_t pass(int fd, std::vector<ExecNotice>&& execs, const Clock& clock,
             Recorder& recorder) {
  Metrics metrics;
  // All at the first call, and forgotten by nobody before it is needed.
  auto refill = [&execs](std::vector<ExecNotice>& out) {
    std::move(execs.begin(), execs.end(), std::back_inserter(out));
    execs.clear();
  };
  auto refuse = [](LateRequest&& /*request*/) { return false; };
  Correlator correlator(clock, metrics, recorder, refill, refuse,
                        {.audit_wait_ns = 3600 * kNanosPerSecond});
  ExecParser parser = must(ExecParser::create());
  Assembler assembler(clock, metrics, correlator, parser);
  ::lseek(fd, 0, SEEK_SET);
  const int64_t begin = cpu_ns();
  RecordReader reader(
      fd, metrics, [&](std::string_view line) { assembler.on_record(line); });
  while (must(reader.drain()) == ReadState::kOpen)
    correlator.advance();
  assembler.flush();
  correlator.finish();
  recorder.store();
  recorder.flush();
  return cpu_ns() - begin;
}

int run(const std::string& database, const std::string& mode, int passes) {
  const std::string records{std::istreambuf_iterator<char>(std::cin), {}};
  const Fd file(::memfd_create("records", MFD_CLOEXEC));
  for (size_t at = 0; at < records.size();) {
    const ssize_t n =
        ::write(file.get(), records.data() + at, records.size() - at);
    if (n <= 0)
      return EXIT_FAILURE;
    at += static_cast<size_t>(n);
  }
  const SystemClock clock;
  Recorder recorder(database, clock);
  const auto execs = execs_in(records);
  std::vector<int64_t> times;
  size_t serial = 0;
  // The first makes the known value known, and is not counted.
  for (int i = 0; i <= passes; ++i) {
    std::vector<ExecNotice> notices;
    for (const Audited& exec : execs) {
      const std::string value =
          mode == "nothing" ? ""
          : mode == "known"
              ? "/bench/known.so"
              : fmt::format("/bench/{}-{}.so", clock.wall_us(), ++serial);
      notices.push_back(noticed(exec, clock, value));
    }
    times.push_back(pass(file.get(), std::move(notices), clock, recorder));
  }
  const size_t expected =
      mode == "nothing" ? 0 : execs.size() * (static_cast<size_t>(passes) + 1);
  if (recorder.recorded() != expected) {
    fmt::print(stderr, "replay: {} of {} execs were recorded\n",
               recorder.recorded(), expected);
    return EXIT_FAILURE;
  }
  times.erase(times.begin());
  std::sort(times.begin(), times.end());
  fmt::print("{:.3f}\n", static_cast<double>(times[times.size() / 2]) /
                             static_cast<double>(execs.size()) / 1000);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace preload

int main(int argc, char** argv) {
  if (argc != 4)
    return 2;
  try {
    return preload::run(argv[1], argv[2], std::atoi(argv[3]));
  } catch (const std::exception& error) {
    fmt::print(stderr, "replay: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
