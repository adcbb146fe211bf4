// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/history_item.h"

namespace preload {

size_t weight(const HistoryItem& item) {
  const size_t base = sizeof(HistoryItem);
  if (const auto* exec = std::get_if<NewExec>(&item)) {
    size_t bytes = base + weight(exec->event);
    if (exec->decided)
      for (const Decision& decision : *exec->decided)
        bytes += sizeof decision + decision.term.value.size();
    return bytes;
  }
  if (const auto* exec = std::get_if<AuditedAfterAll>(&item))
    return base + weight(exec->event);
  if (const auto* exec = std::get_if<MissedExec>(&item))
    return base + weight(exec->event);
  return base;
}

}  // namespace preload
