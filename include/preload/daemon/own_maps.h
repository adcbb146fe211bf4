// SPDX-License-Identifier: Apache-2.0
// LD_PRELOAD against ourselves: what is loaded into this process and does not
// belong to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace preload {

// What the dynamic loader has loaded, as its own lists tell.
struct LoadedObject {
  uintptr_t address = 0;            // of its first segment
  std::string name;                 // DT_SONAME; empty: the program
  std::string interpreter;          // PT_INTERP's file name; of the program
  std::vector<std::string> needed;  // DT_NEEDED
};
[[nodiscard]] std::vector<LoadedObject> loaded_objects();

// A finding for each file with code in `maps` (the text of /proc/self/maps)
// that
//   is not in `objects`, or is there although neither the program nor a library
//   that it needs needs it;
//   was deleted; is outside of the system's library directories; or could be
//   changed by others than root.
// "PATH (why)". The program itself is not looked at.
[[nodiscard]] std::vector<std::string> foreign_libraries(
    std::string_view maps, const std::vector<LoadedObject>& objects);

// The same of this process, and the variables in its environment that would
// make the loader load something. Call it before any of it is changed.
[[nodiscard]] std::vector<std::string> look_at_ourselves();

// One line for the log; empty when `found` is.
[[nodiscard]] std::string in_words(const std::vector<std::string>& found);

}  // namespace preload
