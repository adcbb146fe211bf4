// SPDX-License-Identifier: Apache-2.0
// Alerts as their readers get them: rsyslogd with mmjsonparse, a file that
// logrotate turns over, ausearch, node_exporter.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "preload/base/fd.h"
#include "support/live_test.h"

namespace preload {
namespace {

using nlohmann::json;

bool has_rsyslog_module(const std::string& name) {
  return !shell("ls /usr/lib/*/rsyslog/" + name + " /usr/lib*/rsyslog/" + name +
                " 2>/dev/null")
              .empty();
}

// The documents of a file of JSON lines; one that cannot be parsed is null.
std::vector<json> documents(const std::string& text) {
  std::vector<json> all;
  for (const std::string& line : lines_of(text)) {
    json one = json::parse(line, nullptr, false);
    all.push_back(one.is_discarded() ? json() : std::move(one));
  }
  return all;
}

// Those that carry NAME=value.
std::vector<json> documents_of(const std::string& text,
                               const std::string& variable) {
  std::vector<json> all = documents(text);
  std::erase_if(all, [&](const json& document) {
    const json found = document.value("/process/env_vars"_json_pointer, json());
    return std::find(found.begin(), found.end(), variable) == found.end();
  });
  return all;
}

std::string text_at(const json& document, const std::string& pointer) {
  return document.value(json::json_pointer(pointer), "");
}

int free_port() {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd.get(), generic, size) != 0 ||
      ::getsockname(fd.get(), generic, &size) != 0)
    return 0;
  return ::ntohs(address.sin_port);
}

// The sum of a family's samples in Prometheus text.
double sum_of(const std::string& text, const std::string& family) {
  double sum = 0;
  for (const std::string& line : lines_of(text))
    if (line.starts_with(family + "{") || line.starts_with(family + " "))
      sum += std::stod(line.substr(line.rfind(' ') + 1));
  return sum;
}

class OutputsLive : public LiveTest {};

TEST_F(OutputsLive, RsyslogParsesCeeIntoFields) {
  if (!has_rsyslog_module("mmjsonparse.so"))
    GTEST_SKIP() << "rsyslog has no mmjsonparse here";
  const PrivateAuditd audit({.configuration = "syslog_format = cee\n",
                             .syslog_configuration =
                                 R"(module(load="mmjsonparse")
template(name="fields" type="string" string="%$!event!kind%|%$!event!action%|%$!process!executable%|%$!process!env_vars%|%$!process!pid%|%$!rule!name%|%$!host!os!type%\n")
action(type="mmjsonparse")
if $parsesuccess == "OK" and $!event!kind == "alert" then
  action(type="omfile" file="@DIR@/fields" template="fields")
)"});
  const Ran ran = run({"/bin/true", "say \"hi\""},
                      {"LD_PRELOAD=/cee/a \"b\".so", "LD_LIBRARY_PATH=/cee/l"});
  // One alert for each value, which leads the exec's whole environment.
  const std::string first = R"("LD_PRELOAD=\/cee\/a \"b\".so")";
  const std::string second = R"("LD_LIBRARY_PATH=\/cee\/l")";
  const auto line = [&](const std::string& one, const std::string& other) {
    return fmt::format(
        "alert|exec|/usr/bin/true|[ {}, {} ]|{}|Unusual Preload Environment "
        "Variable Process Execution|linux\n",
        one, other, ran.pid);
  };
  const auto written = [&] { return content_of(audit.path("fields")); };
  for (const std::string& expected : {line(first, second), line(second, first)})
    EXPECT_TRUE(eventually(
        10, [&] { return written().find(expected) != std::string::npos; }))
        << written() << "lacks " << expected;
  EXPECT_EQ(audit.messages_with({"@cee:", "/cee/a"}).size(), 2U);
}

TEST_F(OutputsLive, EcsMessagesAreDocuments) {
  const PrivateAuditd audit({.configuration = "syslog_format = ecs\n"});
  // Bytes that are no UTF-8, and more of them than a message takes.
  const std::string value = "/ecs/\xff\x01" + std::string(20'000, '\xfe');
  const Ran ran = run({"/bin/true", "x"}, {"LD_PRELOAD=" + value});
  ASSERT_TRUE(told(audit, {"LD_PRELOAD=/ecs/"}));
  const auto messages = audit.messages_with({"LD_PRELOAD=/ecs/"});
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_LT(messages[0].size(), 8000U);
  const json document = json::parse(messages[0], nullptr, false);
  ASSERT_FALSE(document.is_discarded()) << messages[0];
  EXPECT_EQ(text_at(document, "/event/kind"), "alert");
  EXPECT_EQ(text_at(document, "/process/executable"), "/usr/bin/true");
  EXPECT_EQ(document.value("/process/pid"_json_pointer, 0), ran.pid);
  EXPECT_EQ(document.value("/process/args"_json_pointer, json()),
            json({"/bin/true", "x"}));
  const std::string shown = document["process"]["env_vars"].at(0);
  EXPECT_LE(shown.size(), 1024U);
  EXPECT_NE(shown.find("sha256"), std::string::npos) << shown;
  // The whole value, byte by byte, is in the database.
  EXPECT_EQ(audit.query("SELECT length(value_bytes) FROM term WHERE value LIKE "
                        "'/ecs/%'"),
            std::to_string(value.size()));
}

// Of a program that is gone before anybody looks, in the alert itself.
TEST_F(DefaultLive, AlertsNameTheFileOfTheLibrary) {
  const PrivateAuditd& audit = deployment();
  const std::string library = audit.path("preloaded.so");
  shell("cp /usr/libexec/coreutils/libstdbuf.so " + library);
  ASSERT_TRUE(run({"/bin/true"}, {"LD_PRELOAD=" + library}).good());
  ASSERT_TRUE(told(audit, {"new preload term", library}));
  const std::string digest = shell("sha256sum " + library).substr(0, 64);
  EXPECT_EQ(audit
                .messages_with(
                    {fmt::format(" lib=\"{}\" ", library),
                     " lib_owner=0 lib_mode=0755 lib_sha256=" + digest + " "})
                .size(),
            1U)
      << fmt::format("{}", fmt::join(audit.messages(), "\n"));
  // The program has ended: that it did not load the library is not known.
  EXPECT_TRUE(audit.messages_with({"lib_mapped=no"}).empty());
}

// The descriptor is the program's, and who looks at /proc/self sees his own.
TEST_F(DefaultLive, AlertsDoNotDenyAFileThatTheyCannotSee) {
  ASSERT_TRUE(run({"/bin/true"}, {"LD_PRELOAD=/proc/self/fd/9"}).good());
  EXPECT_TRUE(
      told(deployment(), {"LD_PRELOAD=\"/proc/self/fd/9\"",
                          "lib=\"/proc/self/fd/9\" lib_exists=unknown"}));
}

TEST_F(OutputsLive, LogrotateTurnsTheEcsFileOver) {
  if (const std::string why = lacking({"logrotate"}); !why.empty())
    GTEST_SKIP() << why;
  const PrivateAuditd audit(
      {.configuration = "syslog_format = off\necs_file = @DIR@/ecs/e.json\n",
       .prepare = [](const std::string& dir) {
         std::filesystem::create_directory(dir + "/ecs");
         // The shipped file with the paths of this deployment.
         shell(
             fmt::format("sed 's,/var/log/audisp-preload,{0}/ecs,; "
                         "s,/run/audisp-preload/state,{0}/state,; "
                         "s,su audisp-preload,su daemon,' "
                         "audisp/logrotate/audisp-preload >{0}/logrotate.conf",
                         dir));
         ::chmod((dir + "/logrotate.conf").c_str(), 0644);
       }});
  const std::string now = audit.path("ecs/e.json");
  const std::string before = now + ".1";
  const auto alerted = [](const std::string& file, const std::string& value) {
    return documents_of(content_of(file), "LD_PRELOAD=" + value).size();
  };
  run({"/bin/true"}, {"LD_PRELOAD=/rotate/before"});
  ASSERT_TRUE(
      eventually(10, [&] { return alerted(now, "/rotate/before") == 1; }));
  struct stat status {};
  ASSERT_EQ(::stat(now.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0640U);

  const pid_t plugin = audit.plugin_pid();
  const std::string said =
      shell(fmt::format("logrotate -v -f -s {0}/logrotate.state "
                        "{0}/logrotate.conf",
                        audit.path("")));
  ASSERT_TRUE(std::filesystem::exists(before)) << said;
  // The renamed file gets nothing once the signal has been dealt with.
  run({"/bin/true"}, {"LD_PRELOAD=/rotate/between"});
  EXPECT_TRUE(eventually(10, [&] {
    return alerted(now, "/rotate/between") +
               alerted(before, "/rotate/between") ==
           1;
  }));
  run({"/bin/true"}, {"LD_PRELOAD=/rotate/after"});
  EXPECT_TRUE(
      eventually(10, [&] { return alerted(now, "/rotate/after") == 1; }))
      << said << content_of(now)
      << shell("sqlite3 -readonly " + audit.database() +
               " 'SELECT * FROM recent_alerts; SELECT * FROM missed_execs; "
               "SELECT * FROM coverage; SELECT * FROM sink'");
  EXPECT_EQ(alerted(before, "/rotate/before"), 1U);
  EXPECT_EQ(alerted(before, "/rotate/after"), 0U);
  EXPECT_EQ(audit.plugin_pid(), plugin);
  for (const std::string& file : {now, before})
    for (const json& document : documents(content_of(file)))
      EXPECT_TRUE(document.is_object()) << file;
}

TEST_F(OutputsLive, EveryMatchingExecIsADocumentWhenAllAreWanted) {
  const PrivateAuditd audit({.configuration = "ecs_file = @DIR@/e.json\n"
                                              "ecs_events = all\n"});
  for (int i = 0; i < 3; ++i)
    run({"/bin/true", std::to_string(i)}, {"LD_PRELOAD=/all/x"});
  const auto of_kind = [&](const std::string& kind) {
    auto found =
        documents_of(content_of(audit.path("e.json")), "LD_PRELOAD=/all/x");
    std::erase_if(found, [&](const json& document) {
      return text_at(document, "/event/kind") != kind;
    });
    return found;
  };
  ASSERT_TRUE(eventually(10, [&] {
    return of_kind("event").size() == 3 && of_kind("alert").size() == 1;
  }));
  std::vector<std::string> ids;
  for (const json& event : of_kind("event")) {
    EXPECT_EQ(text_at(event, "/event/action"), "exec");
    EXPECT_EQ(text_at(event, "/host/os/type"), "linux");
    EXPECT_EQ(event.value("/event/category"_json_pointer, json()),
              json({"process"}));
    EXPECT_FALSE(event.contains("rule"));
    ids.push_back(text_at(event, "/event/id"));
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
  // syslog gets alerts alone.
  EXPECT_EQ(audit.messages_with({"/all/x"}).size(), 1U);
}

TEST_F(OutputsLive, AusearchFindsTheAlertAndWeDoNotReactToIt) {
  if (const std::string why = lacking({"ausearch"}); !why.empty())
    GTEST_SKIP() << why;
  const PrivateAuditd audit(
      {.configuration = "audit_message = yes\n"
                        "capture_env_vars = LD_PRELOAD,PRELOAD_LIVE_TEST\n"});
  const Ran ran =
      run({"/bin/true", "x y"}, {"PRELOAD_LIVE_TEST=/audit/x y.so"});
  expect_alert(audit, "/audit/x y.so");
  const std::string search =
      fmt::format("ausearch -m ANOM_EXEC -i -if {} </dev/null",
                  audit.path("trail/audit.log"));
  const auto found = [&] { return shell(search); };
  ASSERT_TRUE(eventually(10, [&] {
    return found().find("file=/audit/x y.so") != std::string::npos;
  })) << found();
  const std::string text = found();
  EXPECT_NE(text.find("type=ANOM_EXEC"), std::string::npos) << text;
  EXPECT_NE(text.find("var=\"PRELOAD_LIVE_TEST\""), std::string::npos) << text;
  EXPECT_NE(text.find(fmt::format("opid={}", ran.pid)), std::string::npos)
      << text;
  EXPECT_NE(text.find("/usr/bin/true"), std::string::npos) << text;

  // With no exec to report any more the trail holds one message for each
  // alert, and each exec in it was counted once.
  shell("auditctl -D -k " + audit.key());
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const auto logged = [&](const std::vector<std::string>& parts) {
    size_t count = 0;
    for (const std::string& line :
         lines_of(content_of(audit.path("trail/audit.log"))))
      count += static_cast<size_t>(
          line.starts_with(parts[0]) &&
          std::all_of(parts.begin(), parts.end(), [&](const auto& part) {
            return line.find(part) != std::string::npos;
          }));
    return std::to_string(count);
  };
  EXPECT_EQ(logged({"type=ANOM_EXEC"}),
            audit.query("SELECT count(*) FROM alert WHERE state <> 'capped' "
                        "AND alert_id NOT IN (SELECT alert_id FROM "
                        "pending_alert)"));
  EXPECT_EQ(logged({"type=ANOM_EXEC", "PRELOAD_LIVE_TEST"}), "1");
  EXPECT_EQ(audit.query("SELECT count(*), sum(seen_count) FROM first_seen "
                        "WHERE variable = 'PRELOAD_LIVE_TEST'"),
            "1|1");
  const std::string execs =
      logged({"type=SYSCALL", " success=yes ", " SYSCALL=execve"});
  EXPECT_EQ(audit.query_until("SELECT sum(captured_at_exec + captured_late + "
                              "missed) FROM coverage_by_day",
                              execs),
            execs);
}

TEST_F(OutputsLive, MetricsAreCleanAndScraped) {
  if (const std::string why = lacking({"promtool", "curl"}); !why.empty())
    GTEST_SKIP() << why;
  const std::string exporter = installed("prometheus-node-exporter")
                                   ? "prometheus-node-exporter"
                                   : "node_exporter";
  if (const std::string why = lacking({exporter}); !why.empty())
    GTEST_SKIP() << why;
  const PrivateAuditd audit(
      {.configuration = "metrics_file = @DIR@/metrics/preload.prom\n",
       .prepare = [](const std::string& dir) {
         std::filesystem::create_directory(dir + "/metrics");
       }});
  run({test_program("storm"), "50", "1", "LD_PRELOAD=/metrics/", "/bin/true"});
  EXPECT_EQ(audit.query_until("SELECT count(*) FROM recent_alerts WHERE state "
                              "= 'sent' AND value LIKE '/metrics/%'",
                              "50"),
            "50");
  const std::string file = audit.path("metrics/preload.prom");
  ::kill(audit.plugin_pid(), SIGUSR1);
  EXPECT_TRUE(eventually(10, [&] {
    return sum_of(content_of(file), "audisp_preload_execs_total") >= 50;
  })) << content_of(file);
  EXPECT_EQ(shell("promtool check metrics <" + file + "; echo $?"), "0");
  EXPECT_GE(
      sum_of(content_of(file), "audisp_preload_alert_latency_seconds_count"),
      50);

  const int port = free_port();
  const pid_t pid =
      spawn({exporter, fmt::format("--web.listen-address=127.0.0.1:{}", port),
             "--collector.disable-defaults", "--collector.textfile",
             "--collector.textfile.directory=" + audit.path("metrics")});
  ASSERT_GT(pid, 0);
  std::string scraped;
  EXPECT_TRUE(eventually(10, [&] {
    scraped = shell(
        fmt::format("curl -s --noproxy '*' http://127.0.0.1:{}/metrics", port));
    return sum_of(scraped, "audisp_preload_execs_total") >= 50;
  })) << scraped;
  ::kill(pid, SIGTERM);
  wait_for(pid);
  EXPECT_EQ(sum_of(scraped, "node_textfile_scrape_error"), 0);
  EXPECT_GE(sum_of(scraped, "audisp_preload_alerts_total"), 50);
  EXPECT_NE(scraped.find("audisp_preload_build_info{version=\""),
            std::string::npos);
  // No label carries a value of an environment, or a path.
  EXPECT_EQ(content_of(file).find('/'), std::string::npos);
}

}  // namespace
}  // namespace preload
