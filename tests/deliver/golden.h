// SPDX-License-Identifier: Apache-2.0
// Compares with files of tests/deliver/golden; WRITE_GOLDEN=1 writes them, for
// review. Tests run from the top of the tree.
#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

namespace preload {

inline void expect_golden(const std::string& name, const std::string& actual) {
  const std::string path = "tests/deliver/golden/" + name;
  if (std::getenv("WRITE_GOLDEN") != nullptr)  // NOLINT(concurrency-mt-unsafe)
    std::ofstream(path) << actual;
  std::ifstream file(path);
  const std::string expected((std::istreambuf_iterator<char>(file)),
                             std::istreambuf_iterator<char>());
  EXPECT_EQ(actual, expected) << path << "; WRITE_GOLDEN=1 rewrites it";
}

}  // namespace preload
