// SPDX-License-Identifier: Apache-2.0
// What the outputs say of a library: the one list of its fields.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "preload/detect/alert.h"

namespace preload {

struct LibraryField {
  std::string_view name;  // in ECS: below audisp_preload.libraries
  std::string_view key;   // in the alert line; empty: it is not in there
  // std::monostate: unknown. Strings are bytes, neither escaped nor cut.
  std::variant<std::monostate, bool, uint64_t, std::string> value;
};

// Those that apply, in the order of the alert line, which begins with the path
// or, where there is none, the name.
[[nodiscard]] std::vector<LibraryField> library_fields(
    const LibraryFact& library);

}  // namespace preload
