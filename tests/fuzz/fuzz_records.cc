// SPDX-License-Identifier: Apache-2.0
// Any bytes, in any pieces, through reader, assembler and libauparse. The first
// bytes of the input decide how it is cut and which execs are kept; whatever
// comes, each kept exec is delivered once and memory stays within its bounds.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <map>
#include <string_view>

#include "fuzz.h"
#include "preload/audit/assembler.h"
#include "preload/audit/record_reader.h"
#include "preload/base/fd.h"
#include "support/fake_clock.h"

namespace preload {
namespace {

class Handler final : public AuditHandler {
 public:
  explicit Handler(uint8_t choice) : choice_(choice) {}

  std::optional<uint64_t> on_exec(const SyscallRecord& record) override {
    check(record.pid > 0, "pid is positive");
    check(!record.exec.empty(), "an exec has a name");
    (void)record.exe.decoded();
    if (((choice_ >> (record.id.serial % 8)) & 1) == 0)
      return std::nullopt;
    kept_[++tokens_] = record.pid;
    return tokens_;
  }
  Wanted wanted(uint64_t token) override {
    check(kept_.contains(token), "asked only about what was kept");
    // kNotYet once in a while.
    return ++asked_ % 3 == 0 ? Wanted::kNotYet : Wanted::kYes;
  }
  void on_exec_event(uint64_t token, AuditExec&& exec) override {
    const auto kept = kept_.find(token);
    check(kept != kept_.end(), "delivered once, and only what was kept");
    check(kept->second == exec.pid, "delivered under its own token");
    check(!to_string(exec.id).empty(), "an event has an id");
    kept_.erase(kept);
  }
  void on_preload_file(const SyscallRecord& record) override {
    check(record.pid > 0, "pid is positive");
  }
  [[nodiscard]] size_t kept() const { return kept_.size(); }

 private:
  uint8_t choice_;
  uint64_t tokens_ = 0;
  uint64_t asked_ = 0;
  std::map<uint64_t, int32_t> kept_;
};

}  // namespace

void fuzz_one(std::string_view input) {
  if (input.size() < 3)
    return;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(input[i]); };
  const size_t piece = byte(0) == 0 ? input.size() : byte(0) * size_t{4};
  Handler handler(byte(1));
  const int64_t step_us = byte(2) * int64_t{4'000};
  input.remove_prefix(3);

  FakeClock clock;
  Metrics metrics;
  static ExecParser parser = ExecParser::create().value();
  Assembler assembler(clock, metrics, handler, parser);
  std::array<int, 2> fds{};
  check(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()) == 0, "socketpair");
  const Fd read_end(fds[0]);
  Fd write_end(fds[1]);
  RecordReader reader(read_end.get(), metrics, [&](std::string_view line) {
    assembler.on_record(line);
  });
  while (!input.empty()) {
    const std::string_view part = input.substr(0, piece);
    const ssize_t sent = ::send(write_end.get(), part.data(), part.size(),
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    check(sent > 0, "the socket takes the input");
    input.remove_prefix(static_cast<size_t>(sent));
    check(reader.drain() == ReadState::kOpen, "the stream is open");
    check(assembler.open() <= Assembler::kMaxOpen, "open events are bounded");
    check(assembler.bytes() <= Assembler::kMaxBytes, "bytes are bounded");
    check(assembler.open() == handler.kept(), "open events are the kept ones");
    clock.advance_us(step_us);
    assembler.expire();
  }
  write_end.reset();
  while (reader.drain() == ReadState::kOpen) {
  }
  assembler.flush();
  check(handler.kept() == 0, "each kept exec was delivered");
  check(assembler.bytes() == 0, "nothing is left");
}

}  // namespace preload
