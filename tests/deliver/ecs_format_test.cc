// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/ecs_format.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "golden.h"
#include "preload/base/digest.h"
#include "preload/base/text.h"
#include "preload/deliver/ecs_document.h"
#include "preload/deliver/syslog_socket.h"
#include "samples.h"
#include "support/rounds.h"

namespace preload {
namespace {

using nlohmann::json;

constexpr int64_t kCreated = 1'795'484'879'070'000;
constexpr size_t kSyslogLimit = kSyslogTextBytes - 6;  // "@cee: "

HostInfo sample_host() {
  HostInfo host;
  host.hostname = "web1";
  host.id = "0123456789abcdef0123456789abcdef";
  host.boot_id = "11111111-2222-3333-4444-555555555555";
  host.architecture = "x86_64";
  host.kernel = "6.1.0-18-amd64";
  host.os_platform = host.os_family = "debian";
  host.os_name = "Debian GNU/Linux";
  host.os_version = "12";
  host.os_full = "Debian GNU/Linux 12 (bookworm)";
  host.boot_us = 1'795'481'279'000'000;
  return host;
}

Alert file_alert() {
  Alert alert = sample_alert();
  ExecEvent written;
  written.origin = Origin::kPreloadFile;
  written.time_us = sample_alert().event->time_us;
  written.env = {{"ld.so.preload", "/tmp/x.so"}};
  alert.event = std::make_shared<const ExecEvent>(std::move(written));
  alert.term.variable = "ld.so.preload";
  return alert;
}

std::string document(const Alert& alert, size_t limit = kEcsFileBytes) {
  return ecs_document(alert, sample_host(), limit);
}

bool contains(const json& array, const std::string& text) {
  return std::find(array.begin(), array.end(), text) != array.end();
}

// Strings that reach a document may hold a cut mark, else the escaped form.
void expect_strings_safe(const json& node) {
  if (node.is_structured()) {
    for (const auto& item : node)
      expect_strings_safe(item);
  } else if (node.is_string()) {
    std::string text = node.get<std::string>();
    std::replace(text.begin(), text.end(), '\\', '/');
    EXPECT_EQ(escaped(text), text);
  }
}

TEST(EcsFormat, Golden) {
  Alert late = sample_alert();
  edit(late).capture = Capture::kLate;
  edit(late).tty = "(none)";
  late.term.value = std::string(2'000, 'v');
  edit(late).env = {{"LD_PRELOAD", late.term.value}};
  std::string lines;
  for (const Alert& alert :
       {sample_alert(), full_alert(), late, file_alert(), summary_alert()})
    lines += document(alert) + "\n";
  lines += ecs_document(*sample_alert().event, kCreated, sample_host(),
                        kEcsFileBytes) +
           "\n";
  const std::string version = "\"version\":\"" PRELOAD_VERSION "\"";
  for (size_t at = 0; (at = lines.find(version)) != std::string::npos;)
    lines.replace(at, version.size(), "\"version\":\"VERSION\"");
  expect_golden("ecs.jsonl", lines);
}

TEST(EcsFormat, AnAlertSaysWhatTheRuleLooksFor) {
  const json d = json::parse(document(sample_alert()));
  EXPECT_EQ(d["event"]["kind"], "alert");
  EXPECT_EQ(d["event"]["category"], json::array({"process"}));
  EXPECT_EQ(d["event"]["type"], json::array({"start"}));
  EXPECT_EQ(d["event"]["action"], "exec");
  EXPECT_EQ(d["event"]["severity"], 21);
  EXPECT_EQ(d["host"]["os"]["type"], "linux");
  EXPECT_EQ(d["process"]["env_vars"], json::array({"LD_PRELOAD=/tmp/x.so"}));
  EXPECT_EQ(d["process"]["start"], "2026-11-24T01:47:59.000Z");
  EXPECT_EQ(d["process"]["tty"]["char_device"]["major"], 136);
  EXPECT_EQ(d["user"]["audit"]["id"], "1000");
  EXPECT_EQ(d["data_stream"]["dataset"], "endpoint.events.process");
  EXPECT_FALSE(d["audisp_preload"].contains("cut"));
}

TEST(EcsFormat, EventsAreNoAlerts) {
  const json d = json::parse(ecs_document(*sample_alert().event, kCreated,
                                          sample_host(), kEcsFileBytes));
  EXPECT_EQ(d["event"]["kind"], "event");
  EXPECT_FALSE(d.contains("rule"));
  EXPECT_FALSE(d.contains("threat"));
  EXPECT_FALSE(d["event"].contains("risk_score"));
}

TEST(EcsFormat, IdsTellProcessesAndAlertsApart) {
  const json one = json::parse(document(sample_alert()));
  Alert other = sample_alert();
  other.term.value = "/tmp/y.so";
  ++other.alert_id;
  const json same_process = json::parse(document(other));
  EXPECT_EQ(one, json::parse(document(sample_alert())));
  EXPECT_NE(one["event"]["id"], same_process["event"]["id"]);
  EXPECT_EQ(one["process"]["entity_id"], same_process["process"]["entity_id"]);
  ++edit(other).start_ticks;
  const json reused = json::parse(document(other));
  EXPECT_NE(one["process"]["entity_id"], reused["process"]["entity_id"]);
}

TEST(EcsFormat, ALongElementKeepsItsIdentity) {
  Alert alert = sample_alert();
  alert.term.value = std::string(5'000, 'v') + "1";
  const std::string whole = "LD_PRELOAD=" + alert.term.value;
  const std::string first =
      json::parse(document(alert))["process"]["env_vars"][0];
  EXPECT_EQ(first.size(), kEcsKeywordUnits);
  EXPECT_TRUE(first.starts_with("LD_PRELOAD=vvv"));
  EXPECT_TRUE(
      first.ends_with("v\\...[5012 bytes, sha256=" + hex(sha256(whole)) + "]"));
  alert.term.value.back() = '2';
  EXPECT_NE(json::parse(document(alert))["process"]["env_vars"][0], first);
  // No value can pass itself off as a cut one.
  alert.term.value = first.substr(11);
  const std::string fake =
      json::parse(document(alert))["process"]["env_vars"][0];
  EXPECT_NE(fake, first);
  EXPECT_FALSE(unescaped(first).has_value());
}

TEST(EcsFormat, AnElementIsCountedAsElasticsearchCounts) {
  Alert alert = sample_alert();
  alert.term.value.clear();
  for (int i = 0; i < 600; ++i)
    alert.term.value += "\xf0\x9f\x98\x80";  // one character, two units
  const std::string element =
      json::parse(document(alert))["process"]["env_vars"][0];
  EXPECT_LE(text_size(element).units, kEcsKeywordUnits);
  EXPECT_GT(text_size(element).units, kEcsKeywordUnits - 2);
}

TEST(EcsFormat, TheAlertsOwnElementSurvivesAnyCrowd) {
  Alert alert = sample_alert();
  ExecEvent& event = edit(alert);
  event.env.clear();
  for (int i = 0; i < 2'000; ++i)
    event.env.push_back(
        {"LD_PRELOAD", std::to_string(i) + std::string(900, '"')});
  event.env.push_back({"LD_PRELOAD", "/tmp/x.so"});
  for (const size_t limit : {kSyslogLimit, kEcsFileBytes}) {
    const std::string line = document(alert, limit);
    ASSERT_LE(line.size(), limit);
    const json d = json::parse(line);
    EXPECT_EQ(d["process"]["env_vars"][0], "LD_PRELOAD=/tmp/x.so");
    EXPECT_TRUE(contains(d["audisp_preload"]["cut"], "process.env_vars"));
  }
}

TEST(EcsFormat, AnyBytesGiveADocumentThatFits) {
  HostileBytes hostile(2);
  for (int round = 0; round < rounds(150); ++round) {
    Alert alert = hostile.alert();
    for (size_t i = hostile.below(40); i > 0; --i) {
      edit(alert).argv.push_back(hostile(3'000));
      edit(alert).env.push_back({hostile(30), hostile(3'000)});
    }
    for (const size_t limit : {kSyslogLimit, kEcsFileBytes}) {
      const std::string line = document(alert, limit);
      ASSERT_LE(line.size(), limit);
      ASSERT_EQ(line.find('\n'), std::string::npos);
      const json d = json::parse(line);
      expect_strings_safe(d);
      EXPECT_EQ(d["process"]["pid"], 1234);
      EXPECT_EQ(d["event"]["kind"], "alert");
      for (const auto& element : d["process"]["env_vars"])
        EXPECT_LE(text_size(element.get<std::string>()).units,
                  kEcsKeywordUnits);
      const std::string first = d["process"]["env_vars"][0];
      const std::string whole = alert.term.variable + "=" + alert.term.value;
      if (const auto bytes = unescaped(first)) {
        EXPECT_EQ(*bytes, whole);
      } else {
        EXPECT_TRUE(first.ends_with(hex(sha256(whole)) + "]"));
      }
      const std::string event =
          ecs_document(*alert.event, kCreated, sample_host(), limit);
      ASSERT_LE(event.size(), limit);
      expect_strings_safe(json::parse(event));
      if (HasFailure())
        FAIL() << line;
    }
  }
}

// What tests/ecs validates against the schema and the rule.
TEST(EcsFormat, WritesDocumentsForTheSchemaTest) {
  std::filesystem::create_directories("build/ecs");
  std::ofstream exec_file("build/ecs/exec.jsonl");
  std::ofstream other("build/ecs/other.jsonl");
  HostileBytes hostile(3);
  Alert root = full_alert();
  edit(root).container.clear();
  for (const Alert& alert : {sample_alert(), full_alert(), root}) {
    for (const size_t limit : {kSyslogLimit, kEcsFileBytes})
      exec_file << document(alert, limit) << "\n";
    exec_file << ecs_document(*alert.event, kCreated, gather_host_info(),
                              kEcsFileBytes)
              << "\n";
  }
  for (int i = 0; i < 50; ++i)
    exec_file << document(hostile.alert(), kSyslogLimit) << "\n";
  other << document(file_alert()) << "\n" << document(summary_alert()) << "\n";
  ASSERT_TRUE(exec_file.flush().good() && other.flush().good());
}

}  // namespace
}  // namespace preload
