// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/join.h"

#include <utility>

namespace preload {
namespace {

void prefer(std::string& ours, std::string audits) {
  if (!audits.empty())
    ours = std::move(audits);
}

void prefer(uint32_t& ours, uint32_t audits) {
  if (audits != kUnsetId)
    ours = audits;
}

}  // namespace

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

bool lost_all(const ExecSnapshot& snapshot) {
  return snapshot.env_truncated && snapshot.env.empty();
}

void adopt_env(ExecSnapshot& snapshot, ExecSnapshot&& other) {
  if (other.env.size() <= snapshot.env.size())
    return;
  snapshot.env = std::move(other.env);
  snapshot.env_truncated = other.env_truncated;
}

bool may_hide_options(const ExecEvent& event) {
  if (event.argv.empty())
    return true;
  return event.argv_truncated &&
         (event.argv.size() == 1 || event.argv[1].starts_with("--"));
}

size_t weight(const ExecSnapshot& snapshot) {
  return sizeof snapshot + weight(snapshot.env, snapshot.argv) +
         snapshot.executable.size() + snapshot.parent_executable.size() +
         snapshot.cwd.size() + snapshot.tty.size() + snapshot.cgroup.size() +
         snapshot.container.size();
}

}  // namespace preload
