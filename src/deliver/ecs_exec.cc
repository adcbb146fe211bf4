// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/ecs_exec.h"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "preload/base/clock.h"
#include "preload/base/digest.h"
#include "preload/base/text.h"

namespace preload {

using nlohmann::json;

void put(json& object, const char* key, std::string value) {
  if (!value.empty())
    object[key] = std::move(value);
}

void put_id(json& object, const char* key, uint32_t id) {
  if (id != kUnsetId)
    object[key] = std::to_string(id);
}

std::string short_digest(std::initializer_list<std::string> parts) {
  constexpr size_t kDigits = 32;
  Sha256 sha;
  for (const std::string& part : parts)
    sha.update_sized(part);
  return hex(sha.finish()).substr(0, kDigits);
}

namespace {

// The device of a terminal that audit calls pts3 or tty1.
std::optional<std::pair<uint64_t, uint64_t>> tty_device(std::string_view tty) {
  constexpr uint64_t kPtsMajor = 136;  // and the seven after it, 256 each
  constexpr uint64_t kTtyMajor = 4;
  if (tty.substr(0, 3) != "pts" && tty.substr(0, 3) != "tty")
    return std::nullopt;
  const auto number = parse_unsigned(tty.substr(3));
  if (!number || *number > 0xfffff)
    return std::nullopt;
  if (tty.starts_with("pts"))
    return std::pair{kPtsMajor + *number / 256, *number % 256};
  return std::pair{kTtyMajor, *number};
}

json args_json(const ExecEvent& event, Cutter& cutter) {
  json args = json::array();
  size_t left = cutter.bounds().args_bytes;
  for (const std::string& argument : event.argv) {
    std::string text = cutter.string("process.args", argument);
    const size_t bytes = text_size(text).bytes + 3;  // quotes and comma
    if (bytes > left) {
      cutter.note("process.args");
      break;
    }
    left -= bytes;
    args.push_back(std::move(text));
  }
  return args;
}

// The elements, each once; `first` (an alert's own) whatever else must go.
json env_json(const ExecEvent& event, const EnvVar* first, Cutter& cutter) {
  const EcsBounds& bounds = cutter.bounds();
  json elements = json::array();
  std::set<std::string> seen;
  if (first != nullptr) {
    elements.push_back(cutter.variable(*first, bounds.term_units));
    seen.insert(first->name + '=' + first->value);
  }
  size_t left = bounds.env_bytes;
  for (const EnvVar& var : event.env) {
    if (!seen.insert(var.name + '=' + var.value).second)
      continue;
    std::string text = cutter.variable(var, bounds.env_units);
    const size_t bytes = text_size(text).bytes + 3;
    if (bytes > left && !elements.empty()) {
      cutter.note("process.env_vars");
      break;
    }
    left -= std::min(left, bytes);
    elements.push_back(std::move(text));
  }
  return elements;
}

// ECS wants the start of the process, which an exec does not change.
std::optional<int64_t> start_us(const ExecEvent& event, const HostInfo& host) {
  if (event.start_ticks == 0 || host.boot_us == 0)
    return std::nullopt;
  const auto since_boot = static_cast<int64_t>(
      static_cast<double>(event.start_ticks) /
      static_cast<double>(host.ticks_per_second) * kMicrosPerSecond);
  return std::min(host.boot_us + since_boot, event.time_us);
}

json parent_json(const ExecEvent& event, Cutter& cutter) {
  json parent;
  if (event.ppid != 0)
    parent["pid"] = event.ppid;
  put(parent, "executable",
      cutter.string("process.parent.executable", event.parent_executable));
  put(parent, "name",
      cutter.string("process.parent.name",
                    basename_of(event.parent_executable)));
  return parent;
}

json process_json(const ExecEvent& event, const EnvVar* first,
                  const HostInfo& host, Cutter& cutter) {
  json process;
  process["pid"] = event.pid;
  put(process, "executable",
      cutter.string("process.executable", event.executable));
  put(process, "name",
      cutter.string("process.name", event.executable.empty()
                                        ? event.comm
                                        : basename_of(event.executable)));
  process["args"] = args_json(event, cutter);
  if (!event.argv_truncated)
    process["args_count"] = event.argv.size();
  put(process, "command_line",
      cutter.string("process.command_line", command_line(event.argv),
                    {SIZE_MAX, cutter.bounds().command_bytes}));
  put(process, "working_directory",
      cutter.string("process.working_directory", event.cwd));
  process["env_vars"] = env_json(event, first, cutter);
  if (const auto start = start_us(event, host))
    process["start"] = iso_time(*start);
  if (event.start_ticks != 0)
    process["entity_id"] =
        short_digest({host.id, host.boot_id, std::to_string(event.pid),
                      std::to_string(event.start_ticks)});
  if (json parent = parent_json(event, cutter); !parent.empty())
    process["parent"] = std::move(parent);
  if (const auto device = tty_device(event.tty))
    process["tty"]["char_device"] = {{"major", device->first},
                                     {"minor", device->second}};
  return process;
}

json user_json(const ExecEvent& event, Cutter& cutter) {
  json user;
  put_id(user, "id", event.uid);
  put(user, "name", cutter.string("user.name", event.user));
  if (event.gid != kUnsetId)
    user["group"]["id"] = std::to_string(event.gid);
  if (event.euid != event.uid && event.euid != kUnsetId)
    user["effective"]["id"] = std::to_string(event.euid);
  json audit;
  put_id(audit, "id", event.auid);
  put(audit, "name", cutter.string("user.audit.name", event.login_user));
  if (!audit.empty())
    user["audit"] = std::move(audit);
  return user;
}

// What ECS has no field for.
json own_json(const ExecEvent& event, Cutter& cutter) {
  json own;
  own["capture"] = to_string(event.capture);
  own["origin"] = to_string(event.origin);
  if (event.secure)
    own["secure"] = *event.secure;
  if (event.no_interpreter)
    own["static"] = *event.no_interpreter;
  put(own, "comm", cutter.string("audisp_preload.comm", event.comm));
  put(own, "cgroup", cutter.string("audisp_preload.cgroup", event.cgroup));
  put(own, "tty", cutter.string("audisp_preload.tty", event.tty));
  put(own, "syscall", escaped(event.syscall));
  put_id(own, "session", event.ses);
  put_id(own, "effective_group", event.egid);
  if (event.argv_truncated)
    own["args_truncated"] = true;
  if (event.audit.serial != 0) {
    own["audit"]["id"] = to_string(event.audit);
    put(own["audit"], "node",
        cutter.string("audisp_preload.audit.node", event.audit.node));
  }
  return own;
}

}  // namespace

void add_exec(json& document, const ExecEvent& event, const EnvVar* first,
              const HostInfo& host, Cutter& cutter) {
  json& meta = document["event"];
  if (event.origin == Origin::kPreloadFile) {
    meta["category"] = json::array({"file"});
    meta["type"] = json::array({"change"});
    meta["action"] = "ld-so-preload";
    document["file"]["path"] = "/etc/ld.so.preload";
  } else {
    meta["category"] = json::array({"process"});
    meta["type"] = json::array({"start"});
    meta["action"] = "exec";
  }
  put(meta, "code", cutter.string("event.code", event.key));
  if (event.pid != 0)
    document["process"] = process_json(event, first, host, cutter);
  if (event.origin == Origin::kPreloadFile && event.pid != 0)
    document["process"].erase("env_vars");
  if (json user = user_json(event, cutter); !user.empty())
    document["user"] = std::move(user);
  if (!event.container.empty())
    document["container"]["id"] =
        cutter.string("container.id", event.container);
  document["audisp_preload"] = own_json(event, cutter);
}

}  // namespace preload
