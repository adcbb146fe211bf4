// SPDX-License-Identifier: Apache-2.0
// Where the small programs are that tests run.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace preload {

// The path of one of tests/programs.
inline std::string test_program(const std::string& name) {
  // Nothing here changes the environment.
  const char* dir = ::getenv("PRELOAD_PROGRAMS");  // NOLINT
  return std::filesystem::absolute(
             std::string(dir == nullptr ? "build/release/programs" : dir) +
             "/" + name)
      .string();
}

}  // namespace preload
