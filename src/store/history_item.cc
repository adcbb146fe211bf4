// SPDX-License-Identifier: Apache-2.0
#include "preload/store/history_item.h"

#include "preload/detect/quotas.h"

namespace preload {

namespace {

const ExecEvent* event_in(const HistoryItem& item) {
  if (const auto* exec = std::get_if<NewExec>(&item))
    return exec->event.get();
  if (const auto* exec = std::get_if<MissedExec>(&item))
    return exec->event.get();
  return nullptr;
}

}  // namespace

size_t weight(const HistoryItem& item) {
  size_t bytes = sizeof(HistoryItem);
  if (const ExecEvent* event = event_in(item))
    bytes += weight(*event);
  const auto* exec = std::get_if<NewExec>(&item);
  if (exec != nullptr && exec->decided)
    for (const Decision& decision : *exec->decided)
      bytes += sizeof decision + decision.term.value.size();
  return bytes;
}

std::optional<uint64_t> owner(const HistoryItem& item) {
  const ExecEvent* event = event_in(item);
  if (event == nullptr)
    return std::nullopt;
  const QuotaOwner owner = quota_owner_of(*event);
  return (uint64_t{owner.containers} << 32) | owner.uid;
}

}  // namespace preload
