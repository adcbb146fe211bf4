// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/exec_event.h"

#include <array>

namespace preload {
namespace {

// Words of the enumerators, in their order.
constexpr std::array<std::string_view, 3> kCaptures{"exec", "late", "none"};
constexpr std::array<std::string_view, 5> kOrigins{
    "exec", "unaudited", "inventory", "ld.so-option", "ld.so.preload"};
constexpr std::array<std::string_view, 4> kMissReasons{
    "exited", "denied", "replaced", "unreadable"};

void prefer(std::string& ours, std::string audits) {
  if (!audits.empty())
    ours = std::move(audits);
}

void prefer(uint32_t& ours, uint32_t audits) {
  if (audits != kUnsetId)
    ours = audits;
}

}  // namespace

std::string_view to_string(Capture capture) {
  return kCaptures.at(static_cast<size_t>(capture));
}

std::string_view to_string(Origin origin) {
  return kOrigins.at(static_cast<size_t>(origin));
}

std::string_view to_string(MissReason reason) {
  return kMissReasons.at(static_cast<size_t>(reason));
}

void add_audit(ExecEvent& event, AuditExec&& exec) {
  event.time_us = exec.id.wall_us();
  event.audit = std::move(exec.id);
  event.pid = exec.pid;
  if (exec.ppid != 0)
    event.ppid = exec.ppid;
  prefer(event.executable, std::move(exec.exe));
  prefer(event.comm, std::move(exec.comm));
  prefer(event.cwd, std::move(exec.cwd));
  prefer(event.tty, std::move(exec.tty));
  prefer(event.key, std::move(exec.key));
  prefer(event.syscall, std::move(exec.syscall));
  prefer(event.user, std::move(exec.uid_name));
  prefer(event.login_user, std::move(exec.auid_name));
  prefer(event.uid, exec.uid);
  prefer(event.euid, exec.euid);
  prefer(event.gid, exec.gid);
  prefer(event.egid, exec.egid);
  prefer(event.auid, exec.auid);
  prefer(event.ses, exec.ses);
  if (event.argv.empty() ||
      (event.argv_truncated && exec.argv.size() > event.argv.size())) {
    event.argv_truncated = exec.argc > exec.argv.size();
    event.argv = std::move(exec.argv);
  }
}

size_t weight(const ExecSnapshot& snapshot) {
  size_t bytes = sizeof snapshot;
  for (const EnvVar& variable : snapshot.env)
    bytes += sizeof variable + variable.name.size() + variable.value.size();
  for (const std::string& argument : snapshot.argv)
    bytes += sizeof argument + argument.size();
  for (const std::string* s :
       {&snapshot.executable, &snapshot.parent_executable, &snapshot.cwd,
        &snapshot.tty, &snapshot.cgroup, &snapshot.container})
    bytes += s->size();
  return bytes;
}

size_t weight(const ExecEvent& event) {
  const ExecSnapshot& snapshot = event;
  size_t bytes = sizeof event - sizeof snapshot + weight(snapshot);
  for (const std::string* s : {&event.comm, &event.user, &event.login_user,
                               &event.key, &event.syscall, &event.audit.node})
    bytes += s->size();
  return bytes;
}

}  // namespace preload
