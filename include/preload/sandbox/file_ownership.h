// SPDX-License-Identifier: Apache-2.0
// While still root: makes the plugin's user the owner of the plugin's own files
// and directories.
#pragma once

#include "preload/base/config.h"
#include "preload/base/result.h"
#include "preload/sandbox/privileges.h"

namespace preload {

// Changes the owner, as far as it is root and nobody else could have put them
// there, of
//
//   the database's directory, if nothing but the history is in it, and the
//   history's files;
//   the state file's directory likewise; it is created if it does not exist;
//   the ECS file, which is created if it does not exist.
//
// Groups and modes stay. The user may have owned the directory before: a file
// with a second name (a hard link to somebody else's file) is left as it is.
// The error says why the history's owner cannot be changed, and the remedy;
// errors of the other files are reported when they are written.
[[nodiscard]] Status transfer_ownership(const Config& config,
                                        const Identity& user);

}  // namespace preload
