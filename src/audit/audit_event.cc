// SPDX-License-Identifier: Apache-2.0
#include "preload/audit/audit_event.h"

#include <fmt/format.h>

namespace preload {

std::string to_string(const AuditId& id) {
  if (id.serial == 0)
    return {};
  return fmt::format("{}.{:03}:{}", id.sec, id.ms, id.serial);
}

}  // namespace preload
