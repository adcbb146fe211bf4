// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/withheld.h"

#include <utility>

#include "preload/correlate/join.h"

namespace preload {

void Withheld::add(ExecEvent event) {
  const size_t bytes = weight(event);
  const Key key{event.exec_ns, event.pid};
  if (!events_.emplace(key, std::move(event)).second)
    return;
  bytes_ += bytes;
  while (events_.size() > kMaxEvents ||
         (bytes_ > kMaxBytes && events_.size() > 1))
    remove(events_.begin());
}

ExecEvent Withheld::remove(Events::iterator event) {
  ExecEvent removed = std::move(events_.extract(event).mapped());
  bytes_ -= weight(removed);
  return removed;
}

std::optional<ExecEvent> Withheld::take(const ExecEvent& audited) {
  const auto found = events_.find({audited.exec_ns, audited.pid});
  if (found == events_.end())
    return std::nullopt;
  ExecEvent event = remove(found);
  event.origin = Origin::kExec;
  add_audited(event, audited);
  return event;
}

}  // namespace preload
