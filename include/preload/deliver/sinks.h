// SPDX-License-Identifier: Apache-2.0
// The outputs that a configuration asks for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/config.h"
#include "preload/base/log.h"
#include "preload/base/metrics.h"
#include "preload/capture/exec_capture.h"
#include "preload/deliver/sink.h"

namespace preload {

// Opens nothing: a sink that cannot be reached is tried again by the relay.
[[nodiscard]] std::vector<std::unique_ptr<Sink>> make_sinks(
    const Config& config, const Clock& clock);

[[nodiscard]] std::vector<std::string> sink_names(
    const std::vector<std::unique_ptr<Sink>>& sinks);

// Writes the daemon's own log lines to syslog, facility daemon; never waits.
[[nodiscard]] LogSink log_sink(const std::string& socket);

// Lines of the state file, "key: value", that do not change while it runs.
using StateLines = std::vector<std::pair<std::string, std::string>>;

// Both log a failure, at most once a minute.
void write_metrics(const Config& config, const Metrics& metrics);
void write_state_file(const Config& config, const std::string& config_file,
                      int64_t started_us, const ExecCapture& capture,
                      const StateLines& standing, const Metrics& metrics);

}  // namespace preload
