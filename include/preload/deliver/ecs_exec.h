// SPDX-License-Identifier: Apache-2.0
// What an ECS document tells of an exec: event.category and the like, process,
// user, container and, for what ECS has no field for, audisp_preload.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "preload/capture/exec_snapshot.h"
#include "preload/correlate/exec_event.h"
#include "preload/deliver/ecs_cutter.h"
#include "preload/deliver/host_info.h"

namespace preload {

// `first`, if not null, is the alert's own variable: the first element of
// process.env_vars whatever else must be left out.
void add_exec(nlohmann::json& document, const ExecEvent& event,
              const EnvVar* first, const HostInfo& host, Cutter& cutter);

// Sets object[key] unless the value is empty.
void put(nlohmann::json& object, const char* key, std::string value);
// Likewise for an id that is set, as a string.
void put_id(nlohmann::json& object, const char* key, uint32_t id);

// 32 hexadecimal digits that differ when a part does.
[[nodiscard]] std::string short_digest(
    std::initializer_list<std::string> parts);

}  // namespace preload
