// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/ecs_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/digest.h"
#include "preload/base/text.h"
#include "preload/deliver/ecs_cutter.h"

namespace preload {
namespace {

using nlohmann::json;

// Tried in turn until a document fits.
constexpr std::array<EcsBounds, 5> kBounds{{
    {4096, 12'288, 12'288, kEcsKeywordUnits, 24'576, kEcsKeywordUnits, 16},
    {1024, 2048, 2048, kEcsKeywordUnits, 3072, kEcsKeywordUnits, 3},
    {512, 1024, 1024, kEcsKeywordUnits, 1536, kEcsKeywordUnits, 1},
    {160, 320, 320, 200, 640, kEcsKeywordUnits, 1},
    {100, 160, 160, 160, 480, 256, 1},
}};

// Sets object[key] unless the value is empty.
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

json host_json(const HostInfo& host) {
  constexpr size_t kMost = 100;
  const auto text = [](const std::string& bytes) {
    return std::string(escaped_prefix(escaped(bytes), kMost));
  };
  json object;
  put(object, "hostname", text(host.hostname));
  put(object, "name", text(host.hostname));
  put(object, "id", text(host.id));
  put(object, "architecture", text(host.architecture));
  if (!host.boot_id.empty())
    object["boot"]["id"] = text(host.boot_id);
  json& os = object["os"];
  os["type"] = "linux";
  put(os, "platform", text(host.os_platform));
  put(os, "family", text(host.os_family));
  put(os, "name", text(host.os_name));
  put(os, "version", text(host.os_version));
  put(os, "full", text(host.os_full));
  put(os, "kernel", text(host.kernel));
  return object;
}

json rule_json() {
  return {{"name", "Unusual Preload Environment Variable Process Execution"},
          {"id", "preload-new-term"},
          {"category", "new_terms"},
          {"ruleset", "audisp-preload"},
          {"version", PRELOAD_VERSION}};
}

json threat_json() {
  const std::string attack = "https://attack.mitre.org/";
  return {
      {"framework", "MITRE ATT&CK"},
      {"tactic",
       {{"id", {"TA0005", "TA0003", "TA0004"}},
        {"name", {"Defense Evasion", "Persistence", "Privilege Escalation"}},
        {"reference",
         {attack + "tactics/TA0005/", attack + "tactics/TA0003/",
          attack + "tactics/TA0004/"}}}},
      {"technique",
       {{"id", json::array({"T1574"})},
        {"name", json::array({"Hijack Execution Flow"})},
        {"reference", json::array({attack + "techniques/T1574/"})},
        {"subtechnique",
         {{"id", json::array({"T1574.006"})},
          {"name", json::array({"Dynamic Linker Hijacking"})},
          {"reference", json::array({attack + "techniques/T1574/006/"})}}}}}};
}

// The scale that Kibana gives the four words.
int severity_number(std::string_view severity) {
  constexpr std::array<std::pair<std::string_view, int>, 4> kScale{
      {{"low", 21}, {"medium", 47}, {"high", 73}, {"critical", 99}}};
  for (const auto& [name, number] : kScale)
    if (name == severity)
      return number;
  return 0;
}

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

json library_json(const LibraryFact& library, Cutter& cutter) {
  constexpr std::string_view kField = "audisp_preload.libraries";
  json object;
  object["named"] = cutter.string(kField, library.named);
  put(object, "path", cutter.string(kField, library.path));
  object["exists"] = library.exists;
  if (!library.exists)
    return object;
  put_id(object, "owner", library.owner);
  object["mode"] = fmt::format("{:04o}", library.mode);
  object["size"] = library.size;
  object["mtime"] = iso_time(library.mtime_us);
  put(object, "sha256", escaped(library.sha256));
  object["writable_by_others"] = library.writable_by_others;
  object["mapped"] = library.mapped;
  return object;
}

void add_facts(json& own, const AlertFacts& facts, Cutter& cutter) {
  for (const LibraryFact& library : facts.libraries) {
    if (own["libraries"].size() == cutter.bounds().libraries) {
      cutter.note("audisp_preload.libraries");
      break;
    }
    own["libraries"].push_back(library_json(library, cutter));
  }
  json introducer;
  if (facts.introducer_pid != 0)
    introducer["pid"] = facts.introducer_pid;
  put(introducer, "executable",
      cutter.string("audisp_preload.introducer", facts.introducer_executable));
  if (!introducer.empty())
    own["introducer"] = std::move(introducer);
}

json frame_json(int64_t time_us, const HostInfo& host) {
  constexpr const char* kDataset = "endpoint.events.process";
  json document;
  document["@timestamp"] = iso_time(time_us);
  document["ecs"]["version"] = kEcsVersion;
  document["data_stream"] = {
      {"type", "logs"}, {"dataset", kDataset}, {"namespace", "default"}};
  document["agent"] = {{"type", "audisp-preload"},
                       {"version", PRELOAD_VERSION}};
  document["event"]["dataset"] = kDataset;
  document["event"]["module"] = "audisp_preload";
  document["host"] = host_json(host);
  return document;
}

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

void add_alert_marks(json& document, const Alert& alert) {
  json& meta = document["event"];
  meta["kind"] = "alert";
  meta["created"] = iso_time(alert.raised_at_us);
  meta["risk_score"] = alert.risk_score;
  meta["severity"] = severity_number(alert.severity);
  document["rule"] = rule_json();
  document["threat"] = threat_json();
  document["tags"] = {"Domain: Endpoint",           "OS: Linux",
                      "Use Case: Threat Detection", "Tactic: Defense Evasion",
                      "Tactic: Persistence",        "Data Source: Auditd"};
  json& own = document["audisp_preload"];
  own["severity"] = escaped(alert.severity);
  own["stored"] = alert.alert_id != 0;
  if (alert.alert_id != 0)
    own["alert_id"] = alert.alert_id;
}

json new_term_document(const Alert& alert, const HostInfo& host,
                       Cutter& cutter) {
  const ExecEvent& event = alert.event;
  const Term& term = alert.term;
  const EnvVar first{term.variable, term.value};
  json document = frame_json(event.time_us, host);
  add_exec(document, event, &first, host, cutter);
  add_alert_marks(document, alert);
  // The same for an alert that is sent twice, and for no other.
  document["event"]["id"] =
      short_digest({host.id, std::to_string(alert.alert_id),
                    std::to_string(alert.raised_at_us),
                    std::to_string(event.pid), std::to_string(event.time_us),
                    hex(term.digest), term.variable, term.value});
  json& own = document["audisp_preload"];
  own["variable"] = cutter.string("audisp_preload.variable", term.variable);
  own["value_bytes"] = term.value.size();
  own["value_sha256"] = hex(sha256(term.value));
  if (event.origin == Origin::kPreloadFile)
    own["value"] = cutter.string("audisp_preload.value", term.value);
  add_facts(own, alert.facts, cutter);
  std::string message =
      "new preload term: " + cutter.string("message", term.variable);
  if (event.pid != 0)
    message += fmt::format(
        " of {} (pid {})",
        cutter.string("message", basename_of(event.executable)), event.pid);
  document["message"] = std::move(message);
  return document;
}

json summary_document(const Alert& alert, const HostInfo& host,
                      Cutter& cutter) {
  json document = frame_json(alert.raised_at_us, host);
  add_alert_marks(document, alert);
  json& meta = document["event"];
  meta["category"] = json::array({"intrusion_detection"});
  meta["type"] = json::array({"info"});
  meta["action"] = "preload-summary";
  meta["id"] =
      short_digest({host.id, std::to_string(alert.alert_id),
                    std::to_string(alert.raised_at_us), alert.summary});
  document["message"] =
      "preload alert summary: " +
      cutter.string("message", alert.summary,
                    {SIZE_MAX, cutter.bounds().command_bytes});
  return document;
}

json event_document(const ExecEvent& event, int64_t created_us,
                    const HostInfo& host, Cutter& cutter) {
  json document = frame_json(event.time_us, host);
  add_exec(document, event, nullptr, host, cutter);
  json& meta = document["event"];
  meta["kind"] = "event";
  meta["created"] = iso_time(created_us);
  meta["id"] = short_digest(
      {host.id, host.boot_id, std::to_string(event.pid),
       std::to_string(event.time_us), std::to_string(event.exec_ns),
       to_string(event.audit), std::string(to_string(event.origin))});
  return document;
}

// `build` makes the document with what a Cutter lets through.
template <class Build>
std::string fitting(size_t limit, Build build) {
  std::string line;
  for (const EcsBounds& bounds : kBounds) {
    Cutter cutter(bounds);
    json document = build(cutter);
    if (!cutter.cut().empty())
      document["audisp_preload"]["cut"] = cutter.cut();
    line = document.dump(-1, ' ', false, json::error_handler_t::replace);
    if (line.size() <= limit)
      break;
  }
  return line;
}

}  // namespace

std::string ecs_document(const Alert& alert, const HostInfo& host,
                         size_t limit) {
  return fitting(limit, [&](Cutter& cutter) {
    return alert.kind == AlertKind::kSummary
               ? summary_document(alert, host, cutter)
               : new_term_document(alert, host, cutter);
  });
}

std::string ecs_document(const ExecEvent& event, int64_t created_us,
                         const HostInfo& host, size_t limit) {
  return fitting(limit, [&](Cutter& cutter) {
    return event_document(event, created_us, host, cutter);
  });
}

}  // namespace preload
