// SPDX-License-Identifier: Apache-2.0
// The history as an analyst reads it: group adm, no other right, the sqlite3
// CLI - while the daemon writes, after it has ended, after it was killed.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/live_test.h"

namespace preload {
namespace {

// As a word of a shell's command.
std::string shell_word(std::string text) {
  for (size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4)
    text.replace(at, 1, "'\\''");
  return "'" + text + "' ";
}

class HistoryLive : public LiveTest {
 protected:
  void SetUp() override {
    LiveTest::SetUp();
    adm_ = shell("getent group adm | cut -d: -f3");
    if (!IsSkipped() && adm_.empty())
      GTEST_SKIP() << "no group adm here";
    if (const std::string why = lacking({"setpriv"}); !why.empty())
      GTEST_SKIP() << why;
  }

  // A shell's command that runs `words` as nobody, in group adm if `member`.
  [[nodiscard]] std::string as_analyst(const std::vector<std::string>& words,
                                       bool member = true) const {
    std::string command = fmt::format(
        "setpriv --reuid 65534 --regid 65534 {} --no-new-privs "
        "--bounding-set=-all --inh-caps=-all ",
        member ? "--groups " + adm_ : "--clear-groups");
    for (const std::string& word : words)
      command += shell_word(word);
    return command;
  }
  [[nodiscard]] static std::vector<std::string> sqlite(
      const PrivateAuditd& audit, const std::vector<std::string>& statements) {
    std::vector<std::string> words{"sqlite3", "-readonly", "-batch", "-bail",
                                   audit.database()};
    words.insert(words.end(), statements.begin(), statements.end());
    return words;
  }
  // What the CLI says, errors included.
  [[nodiscard]] std::string answer(const PrivateAuditd& audit,
                                   const std::string& sql) const {
    return shell(as_analyst(sqlite(audit, {sql})));
  }

  // What the deployment of a package would be for the way to the database.
  static void open_folder(const std::string& dir) {
    ::chmod(dir.c_str(), 0711);
  }

  std::string adm_;
};

TEST_F(HistoryLive, AnAnalystReadsAtAnyTime) {
  PrivateAuditd audit(
      {.configuration = "max_alerts = 100000\n", .prepare = open_folder});
  struct stat status {};
  ASSERT_EQ(::stat(audit.path("db").c_str(), &status), 0);
  ASSERT_EQ(status.st_mode & 07777U, 02750U);

  // Right after the start.
  const std::string count =
      "SELECT count(*) FROM first_seen WHERE value LIKE '/analyst/%'";
  ASSERT_EQ(answer(audit, count), "0");
  // He may read, and no more; others not even that.
  EXPECT_NE(shell(as_analyst({"sqlite3", "-batch", audit.database(),
                              "DELETE FROM term"}))
                .find("readonly"),
            std::string::npos);
  EXPECT_NE(shell(as_analyst(sqlite(audit, {count}), false))
                .find("unable to open database"),
            std::string::npos);

  // While it writes.
  const pid_t storm = spawn({test_program("storm"), "800", "2",
                             "LD_PRELOAD=/analyst/", test_program("exit_now")});
  long before = 0;
  int looks = 0;
  for (; before < 800 && looks < 1000; ++looks) {
    const std::string text = answer(audit, count);
    const long now = std::strtol(text.c_str(), nullptr, 10);
    ASSERT_EQ(text, std::to_string(now)) << "look " << looks;
    EXPECT_GE(now, before);
    before = now;
  }
  wait_for(storm);
  EXPECT_EQ(before, 800);
  EXPECT_GT(looks, 2);

  // After a kill, before anything has opened the database again: auditd is
  // held, or it would start the plugin at once.
  const pid_t killed = audit.plugin_pid();
  ASSERT_GT(killed, 0);
  ::kill(audit.auditd_pid(), SIGSTOP);
  ::kill(killed, SIGKILL);
  const bool gone = eventually(5, [&] {
    return content_of(fmt::format("/proc/{}/maps", killed)).empty();
  });
  const std::string orphaned = answer(audit, count);
  ::kill(audit.auditd_pid(), SIGCONT);
  EXPECT_TRUE(gone);
  EXPECT_EQ(orphaned, "800");
  // An event that auditd cannot hand over makes it start the plugin again.
  EXPECT_TRUE(eventually(10, [&] {
    run({"/bin/true"});
    return audit.messages_with({"keeps history in"}).size() == 2;
  }));
  EXPECT_NE(audit.plugin_pid(), killed);
  run({"/bin/true"}, {"LD_PRELOAD=/analyst/after-kill"});
  expect_alert(audit, "/analyst/after-kill");
  EXPECT_EQ(answer(audit, count), "801");

  // After a clean stop.
  audit.stop();
  EXPECT_EQ(answer(audit, count), "801");
  EXPECT_EQ(answer(audit, "PRAGMA quick_check"), "ok");
}

TEST_F(HistoryLive, AReaderThatHoldsATransactionStopsNothing) {
  const PrivateAuditd audit(
      {.configuration = "max_alerts = 100000\n", .prepare = open_folder});
  run({"/bin/true"}, {"LD_PRELOAD=/held/first"});
  expect_alert(audit, "/held/first");
  const std::string count =
      "SELECT count(*) FROM first_seen WHERE value LIKE '/held/%'";
  const std::string out = audit.path("reader");
  const std::string end = audit.path("end");
  const std::string wait = fmt::format(
      ".shell for i in $(seq 600); do [ ! -e {} ] || break; sleep 0.05; done",
      end);
  // The CLI keeps its own output until its end, but not its children's.
  const std::string command =
      as_analyst(sqlite(audit, {"BEGIN", count, ".shell echo holds", wait,
                                count, "COMMIT", count}));
  const pid_t reader = spawn({"/bin/sh", "-c", command + ">" + out + " 2>&1"});
  ASSERT_TRUE(eventually(5, [&] {
    return content_of(out).find("holds\n") != std::string::npos;
  })) << content_of(out);

  run({test_program("storm"), "300", "2", "LD_PRELOAD=/held/",
       test_program("exit_now")});
  const std::string sent =
      "SELECT count(*) FROM recent_alerts WHERE state = 'sent' AND value LIKE "
      "'/held/%'";
  EXPECT_EQ(audit.query_until(sent, "301"), "301");
  // All of it was stored, sent and acknowledged while the reader waited.
  EXPECT_FALSE(has_ended(reader));
  shell("touch " + end);
  EXPECT_EQ(wait_for(reader), 0);
  EXPECT_EQ(shell("grep -v holds " + out), "1\n1\n301");
  EXPECT_LT(std::filesystem::file_size(audit.database() + "-wal"),
            size_t{16} << 20);
  EXPECT_TRUE(audit.messages_with({"cannot"}).empty());
}

TEST_F(HistoryLive, TheCannedQueriesAnswer) {
  const PrivateAuditd audit({.prepare = open_folder});
  for (int i = 0; i < 3; ++i)
    run({"/bin/true", "canned"}, {"LD_PRELOAD=/usr/lib/canned.so"});
  run({"/bin/false"},
      {"LD_PRELOAD=/usr/lib/canned.so", "LD_LIBRARY_PATH=/canned/dir"});
  expect_seen(audit, "/usr/lib/canned.so", "4");
  EXPECT_EQ(audit.query_until("SELECT count(*) FROM coverage_by_day", "1"),
            "1");
  const auto ask = [&](const std::string& name,
                       const std::vector<std::string>& parameters,
                       const std::string& mode) {
    std::vector<std::string> words{"sqlite3", mode, "-readonly", "-batch",
                                   "-bail"};
    for (const std::string& parameter : parameters) {
      words.emplace_back("-cmd");
      words.push_back(".parameter set " + parameter);
    }
    words.push_back(audit.database());
    return shell(fmt::format("{} <sql/queries/{}.sql 2>&1; echo status $?",
                             as_analyst(words), name));
  };
  struct Question {
    const char* name;
    std::vector<std::string> parameters;
    std::vector<std::string> answers;
  };
  const std::vector<Question> questions{
      {"by_program", {}, {"/usr/bin/true", "/usr/bin/false"}},
      {"by_user", {}, {"root"}},
      {"coverage", {}, {"█", "100.0"}},
      {"exception_candidates",
       {":seen 3", ":days 0"},
       {"exception = process.env_vars:\"LD_PRELOAD=/usr/lib/canned.so\""}},
      {"first_use", {":value '/canned/'"}, {"/canned/dir", "/usr/bin/false"}},
      {"missed", {}, {}},
      {"new_values", {}, {"/usr/lib/canned.so", "/canned/dir"}},
      {"one_value",
       {":value '/usr/lib/canned.so'"},
       {"/usr/bin/true", "/usr/bin/false"}},
      {"shared_libraries", {}, {}},
      {"timeline", {}, {"█"}},
  };
  for (const Question& question : questions) {
    const std::string text = ask(question.name, question.parameters, "-box");
    EXPECT_TRUE(text.ends_with("status 0")) << question.name << "\n" << text;
    for (const std::string& part : question.answers)
      EXPECT_NE(text.find(part), std::string::npos)
          << question.name << " lacks " << part << "\n"
          << text;
  }
  size_t shipped = 0;
  for (const auto& entry : std::filesystem::directory_iterator("sql/queries")) {
    ++shipped;
    EXPECT_TRUE(std::any_of(questions.begin(), questions.end(),
                            [&](const Question& question) {
                              return entry.path().stem() == question.name;
                            }))
        << entry.path() << " is not asked";
  }
  EXPECT_EQ(shipped, questions.size());

  // A candidate is a line that the configuration takes.
  const std::string candidates =
      ask("exception_candidates", {":seen 3", ":days 0"}, "-list");
  audit.configure(candidates.substr(0, candidates.rfind("status")) + "\n");
  ::kill(audit.plugin_pid(), SIGHUP);
  EXPECT_TRUE(told(audit, {"configuration reloaded"})) << candidates;
  EXPECT_NE(audit.check().find("canned.so\" - never hit"), std::string::npos);
}

}  // namespace
}  // namespace preload
