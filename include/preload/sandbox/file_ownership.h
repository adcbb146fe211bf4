// SPDX-License-Identifier: Apache-2.0
// While still root: the plugin's own files and directories become those of the
// user that the plugin is going to be.
#pragma once

#include "preload/base/config.h"
#include "preload/base/result.h"
#include "preload/sandbox/privileges.h"

namespace preload {

// Gives to `user`, as far as they are root's and nobody else could have put
// them there:
//
//   the database's directory, if nothing but the history is in it, and the
//   history's files;
//   the state file's directory likewise; it is created when it is not there;
//   the ECS file, which is created when it is not there.
//
// Groups and modes stay. The user owned the directory before, perhaps: a file
// with a second name (a hard link to somebody else's) is not given away. The
// error says why the history cannot be the user's, and how to mend it; what is
// wrong with the others is told when they are written.
[[nodiscard]] Status transfer_ownership(const Config& config,
                                        const Identity& user);

}  // namespace preload
