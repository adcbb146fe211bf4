// SPDX-License-Identifier: Apache-2.0
// Argument lists and environments as exec(3) wants them.
#pragma once

#include <string>
#include <vector>

namespace preload {

// Pointers to the strings, which must outlive them, and a null pointer.
inline std::vector<char*> c_strings(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (const std::string& s : strings)
    result.push_back(const_cast<char*>(s.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace preload
