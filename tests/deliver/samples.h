// SPDX-License-Identifier: Apache-2.0
// Alerts for the tests of this layer, and hostile bytes to fill them with.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "preload/detect/alert.h"

namespace preload {

// The alert's event, to be changed: a copy of its own.
inline ExecEvent& edit(Alert& alert) {
  auto own = alert.event ? std::make_shared<ExecEvent>(*alert.event)
                         : std::make_shared<ExecEvent>();
  ExecEvent& event = *own;
  alert.event = std::move(own);
  return event;
}

// The alert of DESIGN.md's example line.
inline Alert sample_alert() {
  Alert alert;
  alert.alert_id = 42;
  alert.raised_at_us = 1'795'484'879'090'000;
  alert.severity = "low";
  alert.risk_score = 21;
  alert.term.variable = "LD_PRELOAD";
  alert.term.value = "/tmp/x.so";
  ExecEvent& event = edit(alert);
  event.capture = Capture::kExec;
  event.time_us = 1'795'484'879'068'000;
  event.exec_ns = 3'600'000'000'000;
  event.audit = {1'795'484'879, 68, 7, ""};
  event.env = {{"LD_PRELOAD", "/tmp/x.so"}};
  event.executable = "/usr/bin/id";
  event.argv = {"id", "-u"};
  event.comm = "id";
  event.cwd = "/home/bob";
  event.pid = 1234;
  event.ppid = 1200;
  event.parent_executable = "/usr/bin/bash";
  event.start_ticks = 360'000;
  event.uid = event.euid = 1000;
  event.gid = event.egid = 1000;
  event.auid = 1000;
  event.ses = 3;
  event.user = event.login_user = "bob";
  event.tty = "pts0";
  event.key = "preload-exec";
  event.syscall = "execve";
  event.cgroup = "/user.slice";
  event.secure = false;
  event.no_interpreter = false;
  return alert;
}

// The same with everything in it that an alert can have.
inline Alert full_alert() {
  Alert alert = sample_alert();
  ExecEvent& event = edit(alert);
  event.origin = Origin::kUnaudited;
  event.audit = {};
  event.euid = event.egid = 0;
  event.secure = true;
  event.container = std::string(64, 'c');
  event.env.push_back({"LD_LIBRARY_PATH", ""});
  LibraryFact library;
  library.named = "/tmp/x.so";
  library.path = "/tmp/x.so";
  library.exists = true;
  library.owner = 1000;
  library.mode = 0755;
  library.size = 16'384;
  library.mtime_us = 1'795'484'000'000'000;
  library.sha256 = std::string(64, 'a');
  library.writable_by_others = true;
  library.mapped = true;
  LibraryFact missing;
  missing.named = "/tmp/gone.so";
  missing.exists = false;
  LibraryFact elsewhere;  // whether it exists is unknown
  elsewhere.named = "libelsewhere.so";
  alert.facts.libraries = {library, missing, elsewhere};
  alert.facts.introducer_pid = 900;
  alert.facts.introducer_executable = "/usr/sbin/sshd";
  return alert;
}

inline Alert summary_alert() {
  Alert alert;
  alert.alert_id = 43;
  alert.kind = AlertKind::kSummary;
  alert.raised_at_us = 1'795'484'879'090'000;
  alert.severity = "low";
  alert.risk_score = 21;
  alert.summary = "capped=12 interval=5m";
  return alert;
}

// Bytes as an attacker picks them: structure, escapes, broken UTF-8.
class HostileBytes {
 public:
  explicit HostileBytes(unsigned seed) : random_(seed) {}

  std::string operator()(size_t most) {
    std::string bytes(random_() % (most + 1), '\0');
    const bool any = random_() % 2 == 0;
    for (char& c : bytes) {
      constexpr std::string_view kTricky =
          " \\\"'=\n\r\t\x1b[]{}x0:,é\xe2\x80\xa8\xf0\x9f\x98\x80\xc3\x7f";
      c = any ? static_cast<char>(1 + random_() % 255)
              : kTricky[random_() % kTricky.size()];
    }
    if (random_() % 4 == 0)
      bytes += "\" pid=1 uid=0 exe=\"/bin/true\nnew preload term: A=\"";
    return bytes;
  }
  size_t below(size_t bound) { return random_() % bound; }

  // Every string that comes from outside replaced.
  Alert alert() {
    Alert alert = below(2) == 0 ? sample_alert() : full_alert();
    const size_t most = below(3) == 0 ? 20'000 : 60;
    alert.term.variable = (*this)(below(4) == 0 ? 2'000 : 20);
    alert.term.value = (*this)(below(3) == 0 ? 131'072 : most);
    ExecEvent& event = edit(alert);
    event.env = {{alert.term.variable, alert.term.value},
                 {(*this)(20), (*this)(most)}};
    event.executable = (*this)(most);
    event.argv = {(*this)(most), (*this)(most), (*this)(9)};
    event.comm = (*this)(15);
    event.cwd = (*this)(most);
    event.parent_executable = (*this)(most);
    event.user = (*this)(most);
    event.login_user = (*this)(most);
    event.tty = (*this)(40);
    event.key = (*this)(most);
    event.cgroup = (*this)(most);
    event.container = (*this)(most);
    alert.facts.introducer_executable = (*this)(most);
    for (LibraryFact& library : alert.facts.libraries) {
      library.named = (*this)(most);
      library.path = (*this)(most);
    }
    return alert;
  }

 private:
  std::mt19937 random_;
};

}  // namespace preload
