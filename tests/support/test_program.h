// SPDX-License-Identifier: Apache-2.0
// Where the programs are that tests run.
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

// The product as shipped.
inline std::string plugin_binary() {
  const char* path = ::getenv("PRELOAD_BINARY");  // NOLINT
  return path == nullptr ? "build/release/audisp-preload" : path;
}

// The same program with short intervals (tests/programs/fast_plugin.cc).
inline std::string fast_plugin_binary() {
  return test_program("audisp-preload");
}

}  // namespace preload
