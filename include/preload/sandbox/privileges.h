// SPDX-License-Identifier: Apache-2.0
// What the process may do, and how it gives the rest up.
//
// The order at start (main.cc): shed_inherited(); read the configuration and
// open the process connector as root; hand over files; give_up_root(); start
// the listeners' threads and give them their scheduling; reduce_thread() in
// each thread that there is; then all other threads. Capabilities are per
// thread: a thread has those of the one that started it, at that time.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>

#include "preload/base/config.h"
#include "preload/base/result.h"

namespace preload {

// Whom the process becomes.
struct Identity {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

// The user that `name` is; the error says how to create it.
[[nodiscard]] Result<Identity> find_identity(const std::string& name);

// What to do when there is no such user.
[[nodiscard]] std::string create_user_remedy(const std::string& name);

// A capability that is kept, how long, and why. README and manual have the same
// table.
enum class Kept { kForGood, kForAuditMessage, kUntilScheduled };
struct KeptCapability {
  unsigned capability;  // of <linux/capability.h>
  const char* name;
  Kept kept;
  const char* reason;
};
[[nodiscard]] std::span<const KeptCapability> kept_capabilities();

// Drops what whoever started us has left: descriptors but 0, 1 and 2 (which
// are opened to /dev/null where they are not), the environment, ignored or
// blocked signals, core dumps. Before anything else is opened.
void shed_inherited();

// Becomes `user` (none: stays who it is, since it was not started as root),
// keeps kept_capabilities() as far as it has them, and lets nothing give it
// more. An error means that something is left which should not be: do not go
// on.
[[nodiscard]] Status give_up_root(const std::optional<Identity>& user,
                                  bool audit_message);

// Drops from the calling thread what only the time before was for; from a
// listener's also what its reading does not need.
enum class ThreadRole { kListener, kOther };
[[nodiscard]] Status reduce_thread(ThreadRole role);

// What the calling thread is left with, for the state file: "nobody (uid
// 65534), capabilities sys_ptrace, dac_read_search".
[[nodiscard]] std::string privileges_text();

}  // namespace preload
