// SPDX-License-Identifier: Apache-2.0
// The outputs that a configuration asks for.
#pragma once

#include <string>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/config.h"
#include "preload/base/log.h"
#include "preload/deliver/sink.h"

namespace preload {

// Opens nothing: a sink that cannot be reached is tried again by the relay.
[[nodiscard]] Sinks make_sinks(const Config& config, const Clock& clock);

[[nodiscard]] std::vector<std::string> sink_names(const Sinks& sinks);

// Writes the daemon's own log lines to syslog, facility daemon; never waits.
[[nodiscard]] LogSink log_sink(const std::string& socket);

}  // namespace preload
