// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/library_fields.h"

#include <fmt/format.h>

#include "preload/base/text.h"

namespace preload {

std::vector<LibraryField> library_fields(const LibraryFact& library) {
  const bool found = library.exists.value_or(false);
  std::vector<LibraryField> fields{
      {"named", library.path.empty() ? "lib" : "", library.named},
      {"path", library.path.empty() ? "" : "lib", library.path},
      {"exists", found ? "" : "lib_exists", {}}};
  if (library.exists)
    fields.back().value = *library.exists;
  if (found) {
    fields.push_back({"owner", "lib_owner", std::to_string(library.owner)});
    fields.push_back({"mode", "lib_mode", fmt::format("{:04o}", library.mode)});
    fields.push_back({"size", "", library.size});
    fields.push_back({"mtime", "", iso_time(library.mtime_us)});
    fields.push_back(
        {"sha256", library.sha256.empty() ? "" : "lib_sha256", library.sha256});
  }
  fields.push_back({"writable_by_others",
                    library.writable_by_others ? "lib_writable" : "",
                    library.writable_by_others});
  if (found) {
    fields.push_back({"mapped", "lib_mapped", {}});
    if (library.mapped)
      fields.back().value = true;
  }
  return fields;
}

}  // namespace preload
