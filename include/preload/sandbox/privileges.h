// SPDX-License-Identifier: Apache-2.0
// User and capabilities of the process.
//
// The order at start (daemon/plugin.cc): reset_inherited_state(); read the
// configuration and open the process connector as root; transfer_ownership();
// drop_privileges(); start the listeners' threads and set their scheduling;
// drop_thread_capabilities() in each of them and in the main thread; then start
// all other threads. Capabilities are per thread: a new thread has those that
// its creator has at that time.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "preload/base/result.h"

namespace preload {

// The user that the process becomes.
struct Identity {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

// Looks the user up; the error says how to create it.
[[nodiscard]] Result<Identity> find_identity(const std::string& name);

// Closes inherited descriptors but 0, 1 and 2 (which are opened to /dev/null if
// they are closed), clears the environment, resets ignored and blocked signals,
// and disables core dumps. Before anything else is opened.
void reset_inherited_state();

// Becomes `user` (none: keeps its ids, if it was not started as root), keeps
// the few capabilities that it needs and has (the table in privileges.cc; the
// manual has the same), and makes it impossible to gain more. After an error
// the process may have privileges left and must end.
[[nodiscard]] Status drop_privileges(const std::optional<Identity>& user,
                                     bool audit_message);

// Drops from the calling thread the capabilities that only the start needs;
// from a listener's also those that reading /proc does not need.
enum class ThreadRole { kListener, kOther };
[[nodiscard]] Status drop_thread_capabilities(ThreadRole role);

// User and capabilities of the calling thread, for the state file: "nobody (uid
// 65534), capabilities sys_ptrace, dac_read_search".
[[nodiscard]] std::string privileges_text();

}  // namespace preload
