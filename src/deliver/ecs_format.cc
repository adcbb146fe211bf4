// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/ecs_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/digest.h"
#include "preload/base/text.h"
#include "preload/deliver/ecs_document.h"
#include "preload/deliver/library_fields.h"
#include "preload/procfs/proc_files.h"

namespace preload {
namespace {

using nlohmann::json;

constexpr std::string_view kLibraries = "audisp_preload.libraries";

// Tried in turn until a document fits.
constexpr std::array<EcsBounds, 5> kBounds{{
    {4096, 12'288, 12'288, kEcsKeywordUnits, 24'576, kEcsKeywordUnits, 16},
    {1024, 2048, 2048, kEcsKeywordUnits, 3072, kEcsKeywordUnits, 3},
    {512, 1024, 1024, kEcsKeywordUnits, 1536, kEcsKeywordUnits, 1},
    {160, 320, 320, 200, 640, kEcsKeywordUnits, 1},
    {100, 160, 160, 160, 480, 256, 1},
}};

// The same in every alert.
constexpr std::string_view kAlertFields = R"({
  "rule": {
    "name": "Unusual Preload Environment Variable Process Execution",
    "id": "preload-new-term",
    "category": "new_terms",
    "ruleset": "audisp-preload",
    "version": ")" PRELOAD_VERSION R"("
  },
  "threat": {
    "framework": "MITRE ATT&CK",
    "tactic": {
      "id": ["TA0005", "TA0003", "TA0004"],
      "name": ["Defense Evasion", "Persistence", "Privilege Escalation"],
      "reference": ["https://attack.mitre.org/tactics/TA0005/",
                    "https://attack.mitre.org/tactics/TA0003/",
                    "https://attack.mitre.org/tactics/TA0004/"]
    },
    "technique": {
      "id": ["T1574"],
      "name": ["Hijack Execution Flow"],
      "reference": ["https://attack.mitre.org/techniques/T1574/"],
      "subtechnique": {
        "id": ["T1574.006"],
        "name": ["Dynamic Linker Hijacking"],
        "reference": ["https://attack.mitre.org/techniques/T1574/006/"]
      }
    }
  },
  "tags": ["Domain: Endpoint", "OS: Linux", "Use Case: Threat Detection",
           "Tactic: Defense Evasion", "Tactic: Persistence",
           "Data Source: Auditd"]
})";

// 32 hexadecimal digits that differ when a part does.
std::string short_digest(std::initializer_list<std::string> parts) {
  constexpr size_t kDigits = 32;
  Sha256 sha;
  for (const std::string& part : parts)
    sha.update_sized(part);
  return hex(sha.finish()).substr(0, kDigits);
}

void add_frame(EcsDocument& document, int64_t time_us, const HostInfo& host) {
  constexpr TextSize kMost{100, 200};
  constexpr const char* kDataset = "endpoint.events.process";
  document.set("@timestamp", iso_time(time_us));
  document.set("ecs.version", kEcsVersion);
  document.set("data_stream.type", "logs");
  document.set("data_stream.dataset", kDataset);
  document.set("data_stream.namespace", "default");
  document.set("agent.type", "audisp-preload");
  document.set("agent.version", PRELOAD_VERSION);
  document.set("event.dataset", kDataset);
  document.set("event.module", "audisp_preload");
  document.text("host.hostname", host.hostname, kMost);
  document.text("host.name", host.hostname, kMost);
  document.text("host.id", host.id, kMost);
  document.text("host.architecture", host.architecture, kMost);
  document.text("host.boot.id", host.boot_id, kMost);
  document.set("host.os.type", "linux");
  document.text("host.os.platform", host.os_platform, kMost);
  document.text("host.os.family", host.os_family, kMost);
  document.text("host.os.name", host.os_name, kMost);
  document.text("host.os.version", host.os_version, kMost);
  document.text("host.os.full", host.os_full, kMost);
  document.text("host.os.kernel", host.kernel, kMost);
}

void set_event(EcsDocument& document, const char* category, const char* type,
               const char* action) {
  document.set("event.category", json::array({category}));
  document.set("event.type", json::array({type}));
  document.set("event.action", action);
}

// ---- An exec

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

void add_args(EcsDocument& document, const ExecEvent& event) {
  constexpr std::string_view kArgs = "process.args";
  document.list(kArgs, json::array(), event.argv, document.bounds().args_bytes,
                [&](const std::string& argument) {
                  return document.fit(kArgs, argument);
                });
  if (!event.argv_truncated)
    document.set("process.args_count", event.argv.size());
  document.text("process.command_line", command_line(event.argv),
                TextSize{SIZE_MAX, document.bounds().command_bytes});
}

// The elements, each once. The first is there whatever else must be left out;
// it is `own`, the alert's variable, unless that is null.
void add_env(EcsDocument& document, const ExecEvent& event, const EnvVar* own) {
  const EcsBounds& bounds = document.bounds();
  json list = json::array();
  std::set<std::string> seen;
  std::vector<const EnvVar*> rest;
  const auto is_new = [&seen](const EnvVar& var) {
    return seen.insert(var.name + '=' + var.value).second;
  };
  if (own != nullptr && is_new(*own))
    list.push_back(document.fit_variable(*own, bounds.term_units));
  for (const EnvVar& var : event.env) {
    if (!is_new(var))
      continue;
    if (list.empty())
      list.push_back(document.fit_variable(var, bounds.env_units));
    else
      rest.push_back(&var);
  }
  document.list("process.env_vars", std::move(list), rest, bounds.env_bytes,
                [&](const EnvVar* var) {
                  return document.fit_variable(*var, bounds.env_units);
                });
}

// ECS wants the start of the process, which an exec does not change.
void add_start(EcsDocument& document, const ExecEvent& event,
               const HostInfo& host) {
  if (event.start_ticks == 0)
    return;
  document.set("process.entity_id",
               short_digest({host.id, host.boot_id, std::to_string(event.pid),
                             std::to_string(event.start_ticks)}));
  if (host.boot_us == 0)
    return;
  const auto since_boot = static_cast<int64_t>(
      event.start_ticks * kMicrosPerSecond / ticks_per_second());
  document.set("process.start",
               iso_time(std::min(host.boot_us + since_boot, event.time_us)));
}

void add_process(EcsDocument& document, const ExecEvent& event,
                 const EnvVar* own, const HostInfo& host) {
  document.set("process.pid", event.pid);
  document.text("process.executable", event.executable);
  document.text("process.name", event.executable.empty()
                                    ? event.comm
                                    : basename_of(event.executable));
  document.text("process.working_directory", event.cwd);
  add_args(document, event);
  if (event.origin != Origin::kPreloadFile)
    add_env(document, event, own);
  add_start(document, event, host);
  if (event.ppid != 0)
    document.set("process.parent.pid", event.ppid);
  document.text("process.parent.executable", event.parent_executable);
  document.text("process.parent.name", basename_of(event.parent_executable));
  if (const auto device = tty_device(event.tty)) {
    document.set("process.tty.char_device.major", device->first);
    document.set("process.tty.char_device.minor", device->second);
  }
}

void add_user(EcsDocument& document, const ExecEvent& event) {
  document.id("user.id", event.uid);
  document.text("user.name", event.user);
  document.id("user.group.id", event.gid);
  if (event.euid != event.uid)
    document.id("user.effective.id", event.euid);
  document.id("user.audit.id", event.auid);
  document.text("user.audit.name", event.login_user);
}

// What ECS has no field for.
void add_own(EcsDocument& document, const ExecEvent& event) {
  document.set("audisp_preload.capture", to_string(event.capture));
  document.set("audisp_preload.origin", to_string(event.origin));
  if (event.secure)
    document.set("audisp_preload.secure", *event.secure);
  if (event.no_interpreter)
    document.set("audisp_preload.static", *event.no_interpreter);
  document.text("audisp_preload.comm", event.comm);
  document.text("audisp_preload.cgroup", event.cgroup);
  document.text("audisp_preload.tty", event.tty);
  document.text("audisp_preload.syscall", event.syscall);
  document.id("audisp_preload.session", event.ses);
  document.id("audisp_preload.effective_group", event.egid);
  if (event.argv_truncated)
    document.set("audisp_preload.args_truncated", true);
  if (event.audit.serial != 0) {
    document.set("audisp_preload.audit.id", to_string(event.audit));
    document.text("audisp_preload.audit.node", event.audit.node);
  }
}

// `own`, if not null, is the alert's variable.
void add_exec(EcsDocument& document, const ExecEvent& event, const EnvVar* own,
              const HostInfo& host) {
  add_frame(document, event.time_us, host);
  if (event.origin == Origin::kPreloadFile) {
    set_event(document, "file", "change", "ld-so-preload");
    document.set("file.path", "/etc/ld.so.preload");
  } else {
    set_event(document, "process", "start", "exec");
  }
  document.text("event.code", event.key);
  document.text("container.id", event.container);
  if (event.pid != 0)
    add_process(document, event, own, host);
  add_user(document, event);
  add_own(document, event);
}

// ---- An alert

// The scale that Kibana gives the four words.
int severity_number(std::string_view severity) {
  constexpr std::array<std::pair<std::string_view, int>, 4> kScale{
      {{"low", 21}, {"medium", 47}, {"high", 73}, {"critical", 99}}};
  for (const auto& [name, number] : kScale)
    if (name == severity)
      return number;
  return 0;
}

void add_alert(EcsDocument& document, const Alert& alert) {
  document.set("event.kind", "alert");
  document.set("event.created", iso_time(alert.raised_at_us));
  document.set("event.risk_score", alert.risk_score);
  document.set("event.severity", severity_number(alert.severity));
  const json fields = json::parse(kAlertFields);
  for (const auto& [name, value] : fields.items())
    document.set(name, value);
  document.text("audisp_preload.severity", alert.severity);
  document.set("audisp_preload.stored", alert.alert_id != 0);
  if (alert.alert_id != 0)
    document.set("audisp_preload.alert_id", alert.alert_id);
}

json library_json(EcsDocument& document, const LibraryFact& library) {
  json object = json::object();
  for (const LibraryField& field : library_fields(library)) {
    if (const auto* bytes = std::get_if<std::string>(&field.value)) {
      if (!bytes->empty())
        object[field.name] = document.fit(kLibraries, *bytes);
    } else if (const auto* yes = std::get_if<bool>(&field.value)) {
      object[field.name] = *yes;
    } else if (const auto* number = std::get_if<uint64_t>(&field.value)) {
      object[field.name] = *number;
    }
  }
  return object;
}

void add_facts(EcsDocument& document, const AlertFacts& facts) {
  json libraries = json::array();
  for (const LibraryFact& library : facts.libraries) {
    if (libraries.size() == document.bounds().libraries) {
      document.note_cut(kLibraries);
      break;
    }
    libraries.push_back(library_json(document, library));
  }
  if (!libraries.empty())
    document.set(kLibraries, std::move(libraries));
  if (facts.introducer_pid != 0)
    document.set("audisp_preload.introducer.pid", facts.introducer_pid);
  document.text("audisp_preload.introducer.executable",
                facts.introducer_executable);
}

void add_new_term(EcsDocument& document, const Alert& alert,
                  const HostInfo& host) {
  const ExecEvent& event = *alert.event;
  const Term& term = alert.term;
  const EnvVar own{term.variable, term.value};
  add_exec(document, event, &own, host);
  // The same for an alert that is sent twice, and for no other.
  document.set(
      "event.id",
      short_digest({host.id, std::to_string(alert.alert_id),
                    std::to_string(alert.raised_at_us),
                    std::to_string(event.pid), std::to_string(event.time_us),
                    hex(term.digest), term.variable, term.value}));
  document.text("audisp_preload.variable", term.variable);
  document.set("audisp_preload.value_bytes", term.value.size());
  document.set("audisp_preload.value_sha256", hex(sha256(term.value)));
  if (event.origin == Origin::kPreloadFile)
    document.text("audisp_preload.value", term.value);
  add_facts(document, alert.facts);
  std::string message =
      "new preload term: " + document.fit("message", term.variable);
  if (event.pid != 0)
    message += fmt::format(
        " of {} (pid {})",
        document.fit("message", basename_of(event.executable)), event.pid);
  document.set("message", std::move(message));
}

void add_summary(EcsDocument& document, const Alert& alert,
                 const HostInfo& host) {
  add_frame(document, alert.raised_at_us, host);
  set_event(document, "intrusion_detection", "info", "preload-summary");
  document.set(
      "event.id",
      short_digest({host.id, std::to_string(alert.alert_id),
                    std::to_string(alert.raised_at_us), alert.summary}));
  document.set(
      "message",
      "preload alert summary: " +
          document.fit("message", alert.summary,
                       TextSize{SIZE_MAX, document.bounds().command_bytes}));
}

// `fill` makes the document; it is tried with smaller bounds until it fits.
template <class Fill>
std::string fitting_line(size_t limit, Fill fill) {
  std::string line;
  for (const EcsBounds& bounds : kBounds) {
    EcsDocument document(bounds);
    fill(document);
    line = document.line();
    if (line.size() <= limit)
      break;
  }
  return line;
}

}  // namespace

std::string ecs_document(const Alert& alert, const HostInfo& host,
                         size_t limit) {
  return fitting_line(limit, [&](EcsDocument& document) {
    alert.kind == AlertKind::kSummary ? add_summary(document, alert, host)
                                      : add_new_term(document, alert, host);
    add_alert(document, alert);
  });
}

std::string ecs_document(const ExecEvent& event, int64_t created_us,
                         const HostInfo& host, size_t limit) {
  return fitting_line(limit, [&](EcsDocument& document) {
    add_exec(document, event, nullptr, host);
    document.set("event.kind", "event");
    document.set("event.created", iso_time(created_us));
    document.set(
        "event.id",
        short_digest({host.id, host.boot_id, std::to_string(event.pid),
                      std::to_string(event.time_us),
                      std::to_string(event.exec_ns), to_string(event.audit),
                      std::string(to_string(event.origin))}));
  });
}

}  // namespace preload
