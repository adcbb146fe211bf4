// SPDX-License-Identifier: Apache-2.0
// Where alerts go.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "preload/base/result.h"
#include "preload/correlate/exec_event.h"
#include "preload/detect/alert.h"

namespace preload {

// The relay's thread only. May block; a failure is tried again later.
class Sink {
 public:
  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  virtual ~Sink() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual Status deliver(const Alert& alert) = 0;
  // One document per matching exec (`ecs_events = all`): best effort, no
  // outbox behind it.
  [[nodiscard]] virtual Status deliver_event(const ExecEvent& event) {
    (void)event;
    return {};
  }
  // SIGHUP: open files again.
  virtual void reopen() {}
};

using Sinks = std::vector<std::unique_ptr<Sink>>;

}  // namespace preload
