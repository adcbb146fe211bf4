// SPDX-License-Identifier: Apache-2.0
#include "preload/store/outbox_feed.h"

#include <algorithm>

#include "preload/base/log.h"

namespace preload {
namespace {

constexpr size_t kBatch = 256;

}  // namespace

void OutboxFeed::start_over() {
  handed_ = 0;
  behind_ = true;
}

void OutboxFeed::hand_over(const std::vector<Alert>& alerts) {
  for (const Alert& alert : alerts) {
    if (behind_ || !outlet_.send(alert)) {
      behind_ = true;  // the outbox has it
      return;
    }
    handed_ = alert.alert_id;
  }
}

void OutboxFeed::catch_up(Store& store, Pulse& pulse) {
  if (const auto rewind = outlet_.take_rewind()) {
    handed_ = std::min(handed_, *rewind);
    behind_ = true;
  }
  while (behind_) {
    pulse.beat();
    const auto pending = store.pending(handed_, kBatch);
    if (!pending) {
      log_limited(LogLevel::kError, "outbox",
                  "cannot read pending alerts: " + pending.error().message());
      return;
    }
    behind_ = !pending->empty();
    for (const Alert& alert : *pending) {
      if (!outlet_.send(alert))
        return;
      handed_ = alert.alert_id;
    }
  }
}

}  // namespace preload
