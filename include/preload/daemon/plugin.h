// SPDX-License-Identifier: Apache-2.0
// The whole program but main(): tests build one with other intervals.
#pragma once

#include <span>

#include "preload/base/clock.h"

namespace preload {

// `args` is argv. Returns an ExitCode.
[[nodiscard]] int plugin_main(std::span<char* const> args,
                              const Timing& timing);

}  // namespace preload
