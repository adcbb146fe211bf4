// SPDX-License-Identifier: Apache-2.0
// Events, decisions and bytes for tests of what comes after the join.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "preload/base/digest.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/new_terms.h"

namespace preload {

inline constexpr int64_t kEventTime = 1'795'484'879'068'000;

// `id` run by bob with the variable, captured at exec and audited.
inline ExecEvent exec_event(const std::string& value, int32_t pid = 1234,
                            int64_t time_us = kEventTime) {
  ExecEvent event;
  event.capture = Capture::kExec;
  event.time_us = time_us;
  event.exec_ns = 5'000'000'000U + static_cast<uint64_t>(pid);
  event.audit = {time_us / 1'000'000,
                 static_cast<uint32_t>(time_us / 1000 % 1000),
                 static_cast<uint64_t>(pid),
                 {}};
  event.env = {{"LD_PRELOAD", value}};
  event.executable = "/usr/bin/id";
  event.argv = {"id", "-u"};
  event.comm = "id";
  event.cwd = "/home/bob";
  event.pid = pid;
  event.ppid = 1200;
  event.parent_executable = "/usr/bin/bash";
  event.uid = event.euid = 1000;
  event.gid = event.egid = 1000;
  event.auid = 1001;
  event.ses = 3;
  event.user = "bob";
  event.login_user = "alice";
  event.tty = "pts0";
  return event;
}

inline ExecEventPtr shared(const ExecEvent& event) {
  return std::make_shared<const ExecEvent>(event);
}

// As exec_event(), but audit said nothing.
inline ExecEvent unaudited_event(const std::string& value, int32_t pid = 1234) {
  ExecEvent event = exec_event(value, pid);
  event.origin = Origin::kUnaudited;
  event.audit = {};
  event.auid = kUnsetId;
  event.login_user.clear();
  return event;
}

inline Decision decision(const std::string& value, Verdict verdict,
                         const std::string& variable = "LD_PRELOAD") {
  Decision made;
  made.term.digest = sha256(variable + "=" + value);
  made.term.variable = variable;
  made.term.value = value;
  made.verdict = verdict;
  return made;
}

// Up to `most` bytes of the kind that attackers try, NUL excluded.
inline std::string hostile_bytes(std::mt19937& random, size_t most) {
  constexpr std::string_view kTricky =
      "\\x\"'0a;:= \t\n\r\x1b%,{}[]\xe2\x80\xae\xc3\xff\xed\xa0";
  std::string bytes(random() % (most + 1), '\0');
  for (char& c : bytes)
    c = random() % 2 == 0 ? static_cast<char>(1 + random() % 255)
                          : kTricky[random() % kTricky.size()];
  return bytes;
}

}  // namespace preload
