// SPDX-License-Identifier: Apache-2.0
// The doctor on whom the plugin becomes.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>

#include "preload/doctor/check.h"

namespace preload {

// Who runs the plugin, or would: of the running one, else of the
// configuration's `user`; nothing when that does not exist.
[[nodiscard]] std::optional<uint32_t> plugin_uid(const SystemProbe& probe,
                                                 const Deployment& deployment);

// False when `uid` surely cannot write what has this owner and mode. A group's
// right may be that of an access control list: it counts as yes.
[[nodiscard]] bool may_write(const struct stat& status, uint32_t uid);

// What keeps even root from writing at a path, as errno (EROFS, EPERM, ENOENT);
// 0: nothing is known to. Not EACCES: owner and mode are the plugin's user's
// matter, and root under a policy such as AppArmor's need not pass them.
[[nodiscard]] int write_obstacle(const SystemProbe& probe,
                                 const std::string& path);

void check_user(const SystemProbe& probe, Deployment& deployment,
                Findings& findings);
// Nothing where SELinux is off.
void check_selinux(const SystemProbe& probe, Deployment& deployment,
                   Findings& findings);
}  // namespace preload
