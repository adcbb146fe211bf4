// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/ecs_format.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "preload/base/clock.h"
#include "preload/base/digest.h"
#include "preload/base/text.h"
#include "preload/deliver/ecs_cutter.h"
#include "preload/deliver/ecs_exec.h"

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

json library_json(const LibraryFact& library, Cutter& cutter) {
  constexpr std::string_view kField = "audisp_preload.libraries";
  json object;
  object["named"] = cutter.string(kField, library.named);
  put(object, "path", cutter.string(kField, library.path));
  object["exists"] = library.exists;
  object["writable_by_others"] = library.writable_by_others;
  if (!library.exists)
    return object;
  put_id(object, "owner", library.owner);
  object["mode"] = fmt::format("{:04o}", library.mode);
  object["size"] = library.size;
  object["mtime"] = iso_time(library.mtime_us);
  put(object, "sha256", escaped(library.sha256));
  if (library.mapped)  // else unknown
    object["mapped"] = true;
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
  const ExecEvent& event = *alert.event;
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
