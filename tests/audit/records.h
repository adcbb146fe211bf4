// SPDX-License-Identifier: Apache-2.0
// Records as the kernel and auditd write them.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "preload/audit/exec_parser.h"
#include "preload/base/text.h"

namespace preload::test {

inline std::string upper_hex(std::string_view bytes) {
  std::string digits = hex(bytes);
  for (char& c : digits)
    c = c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
  return digits;
}

// kernel/audit.c, audit_log_n_untrustedstring.
inline std::string untrusted(std::string_view bytes) {
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '"' || byte < 0x21 || byte > 0x7e)
      return upper_hex(bytes);
  }
  return fmt::format("\"{}\"", bytes);
}

struct Style {
  uint32_t arch = 0xc000003e;
  uint32_t syscall = 59;
  bool success = true;
  bool enriched = false;
  bool eoe = true;
};

inline std::string head(const AuditId& id, std::string_view type) {
  const std::string node = id.node.empty() ? "" : "node=" + id.node + " ";
  return fmt::format("{}type={} msg=audit({}.{:03}:{}):", node, type, id.sec,
                     id.ms, id.serial);
}

inline std::string syscall_record(const AuditExec& exec, const Style& style) {
  std::string line = head(exec.id, "SYSCALL");
  line += fmt::format(
      " arch={:x} syscall={} success={} exit=0 a0=55d0 a1=55d8 a2=55e0 a3=8"
      " items=2 ppid={} pid={} auid={} uid={} gid={} euid={} suid={} fsuid={}"
      " egid={} sgid={} fsgid={} tty={} ses={} comm={} exe={} subj=unconfined",
      style.arch, style.syscall, style.success ? "yes" : "no", exec.ppid,
      exec.pid, exec.auid, exec.uid, exec.gid, exec.euid, exec.euid, exec.euid,
      exec.egid, exec.egid, exec.egid, exec.tty, exec.ses, untrusted(exec.comm),
      untrusted(exec.exe));
  std::string keys = exec.key;
  for (char& c : keys)
    c = c == ',' ? '\x01' : c;
  line += " key=" + (keys.empty() ? "(null)" : untrusted(keys));
  if (style.enriched) {
    line += fmt::format(
        "\x1d"
        "ARCH=x86_64 SYSCALL=execve AUID={} UID={} GID=\"users\" EUID=\"eve\"",
        untrusted(exec.auid_name.empty() ? "unset" : exec.auid_name),
        untrusted(exec.uid_name));
  }
  return line;
}

// kernel/auditsc.c, audit_log_execve_info: records of at most `room` bytes of
// arguments, long ones in pieces that are encoded one by one.
inline std::vector<std::string> execve_records(const AuditExec& exec,
                                               size_t room = 7500) {
  std::vector<std::string> lines;
  std::string line =
      head(exec.id, "EXECVE") + fmt::format(" argc={}", exec.argc);
  size_t used = 0;
  const auto add = [&](const std::string& field) {
    if (used + field.size() > room && used > 0) {
      lines.push_back(line);
      line = head(exec.id, "EXECVE");
      used = 0;
    }
    line += field;
    used += field.size();
  };
  for (size_t i = 0; i < exec.argv.size(); ++i) {
    const std::string& arg = exec.argv[i];
    const size_t piece = room / 2 - 20;
    if (arg.size() <= piece) {
      add(fmt::format(" a{}={}", i, untrusted(arg)));
      continue;
    }
    for (size_t at = 0, n = 0; at < arg.size(); at += piece, ++n) {
      add((n == 0 ? fmt::format(" a{}_len={}", i, arg.size()) : "") +
          fmt::format(" a{}[{}]={}", i, n, untrusted(arg.substr(at, piece))));
    }
  }
  lines.push_back(line);
  return lines;
}

// All the lines of the event, in the kernel's order, without newlines.
inline std::vector<std::string> event_records(const AuditExec& exec,
                                              const Style& style = {}) {
  std::vector<std::string> lines{syscall_record(exec, style)};
  for (std::string& line : execve_records(exec))
    lines.push_back(std::move(line));
  lines.push_back(head(exec.id, "CWD") + " cwd=" + untrusted(exec.cwd));
  for (int item = 0; item < 2; ++item) {
    lines.push_back(
        head(exec.id, "PATH") +
        fmt::format(" item={} name={} inode=1837 dev=08:01 mode=0100755 ouid=0"
                    " ogid=0 rdev=00:00 nametype=NORMAL cap_fp=0 cap_fi=0"
                    " cap_fe=0 cap_fver=0 cap_frootid=0{}",
                    item, untrusted(exec.exe),
                    style.enriched ? "\x1dOUID=\"root\" OGID=\"root\"" : ""));
  }
  lines.push_back(head(exec.id, "PROCTITLE") + " proctitle=" +
                  untrusted(command_line(exec.argv).substr(0, 128)));
  if (style.eoe)
    lines.push_back(head(exec.id, "EOE"));
  return lines;
}

inline AuditExec sample_exec(uint64_t serial = 7) {
  AuditExec exec;
  exec.id = {1795484879, 68, serial, ""};
  exec.pid = 1234;
  exec.ppid = 1200;
  exec.syscall = "execve";
  exec.auid = 1000;
  exec.uid = exec.euid = 1000;
  exec.gid = exec.egid = 100;
  exec.ses = 3;
  exec.tty = "pts0";
  exec.comm = "id";
  exec.exe = "/usr/bin/id";
  exec.key = "preload-exec";
  exec.cwd = "/home/bob";
  exec.argv = {"id", "-u"};
  exec.argc = 2;
  return exec;
}

inline std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines)
    text += line + "\n";
  return text;
}

}  // namespace preload::test
