// SPDX-License-Identifier: Apache-2.0
// The canned queries, as an analyst runs them.
#include <cstdio>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "preload/base/config.h"
#include "preload/base/text.h"
#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;

class Queries : public testing::Test {
 protected:
  void SetUp() override {
    const int64_t today = SystemClock().wall_us();
    store_ = must(Store::open(path_, clock_));
    must(store_->set_sinks(kSinks));
    clock_.step_wall_us(today - clock_.wall_us());
    // Root's, for long and often.
    const std::string trusted = "/usr/lib/x86_64-linux-gnu/libtrusted.so";
    for (int day = 10; day > 0; --day)
      for (int i = 0; i < 5; ++i)
        seen(trusted, "/usr/sbin/cron", 0, "root", today - day * kDayUs,
             day == 10 && i == 0 ? Verdict::kNew : Verdict::kKnown);
    looked_at(1, trusted, 0);
    const std::string odd = "/usr/lib/\"q\\uote\".so";
    for (int day = 10; day > 0; --day)
      for (int i = 0; i < 5; ++i)
        seen(odd, "/usr/sbin/cron", 0, "root", today - day * kDayUs,
             day == 10 && i == 0 ? Verdict::kNew : Verdict::kKnown);
    looked_at(2, odd, 0);
    for (int i = 0; i < 100; ++i)
      seen("/usr/lib/\x01.so", "/bin/x", 0, "root",
           today - (10 - i / 10) * kDayUs,
           i == 0 ? Verdict::kLearned : Verdict::kKnown);
    seen("/tmp/evil.so", "/usr/bin/id", 1000, "bob", today, Verdict::kNew);
    looked_at(3, "/tmp/evil.so", 1000);
    seen("/tmp/evil.so", "/usr/bin/ls", 1000, "bob", today, Verdict::kKnown);
    seen("/usr/lib/a.so:/tmp/evil.so", "/usr/bin/ls", 1002, "eve", today,
         Verdict::kNew);
    AlertFacts missing;
    missing.libraries.emplace_back().named = "/usr/lib/a.so";
    missing.libraries.back().exists = false;
    must(store_->set_ready(4, &missing));
    must(store_->add_coverage({today / kDayUs, 95, 0, 0, {3, 1, 1, 0}}));
    ExecEvent missed = exec_event("", 5, today);
    missed.capture = Capture::kNone;
    record_missed(*store_, missed);
    must(store_->flush());
  }

  void seen(const std::string& value, const std::string& program, uint32_t uid,
            const std::string& user, int64_t time_us, Verdict verdict) {
    ExecEvent event = exec_event(value, 1, time_us);
    event.executable = program;
    event.uid = uid;
    event.user = user;
    record(*store_, event, verdict);
  }

  // The library of an alert's value was found in the hands of its owner.
  void looked_at(int64_t alert, const std::string& path, uint32_t owner) {
    AlertFacts facts;
    LibraryFact& fact = facts.libraries.emplace_back();
    fact.named = fact.path = path;
    fact.exists = true;
    fact.writable_by_others = owner != 0;
    fact.owner = owner;
    fact.mode = owner == 0 ? 0755 : 0777;
    must(store_->set_ready(alert, &facts));
  }

  // What the sqlite3 command prints, a row a line, columns between '|'.
  std::string run(const std::string& query, const std::string& set = "") {
    const std::string command =
        "sqlite3 -readonly -list -noheader " +
        (set.empty() ? "" : "-cmd \".parameter set " + set + "\" ") + path_ +
        " < sql/queries/" + query + ".sql 2>&1";
    FILE* pipe = ::popen(command.c_str(), "r");
    std::string out;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe))
      out += static_cast<char>(c);
    EXPECT_EQ(::pclose(pipe), 0) << out;
    return out;
  }
  static bool have_cli() {
    return std::system("sqlite3 -version >/dev/null 2>&1") == 0;
  }

  FakeClock clock_;
  TempDir dir_;
  std::string path_ = dir_ / "history.db";
  std::unique_ptr<Store> store_;
};

TEST_F(Queries, EachCanBePreparedAndRun) {
  const auto database =
      must(Database::open(path_, Database::Access::kReadOnly));
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator("sql/queries")) {
    ++seen;
    std::ifstream file(entry.path());
    std::string sql{std::istreambuf_iterator<char>(file), {}};
    EXPECT_TRUE(sql.starts_with("-- ")) << entry.path();
    EXPECT_NE(sql.find("< " + entry.path().filename().string()),
              std::string::npos)
        << entry.path() << " does not say how to run it";
    // Its parameter, as `.parameter set` would give it.
    for (size_t at = 0; (at = sql.find(":value")) != std::string::npos;)
      sql.replace(at, 6, "'/tmp/evil.so'");
    EXPECT_FALSE(rows(*database, sql).empty()) << entry.path();
  }
  EXPECT_GE(seen, 9);
}

TEST_F(Queries, PrintWhatTheyPromise) {
  if (!have_cli())
    GTEST_SKIP() << "no sqlite3 command on this machine";
  std::string out = run("new_values");
  EXPECT_NE(out.find("|LD_PRELOAD|/tmp/evil.so|bob|/usr/bin/id|2|exec"),
            std::string::npos)
      << out;
  EXPECT_EQ(out.find("libtrusted"), std::string::npos) << out;
  EXPECT_NE(run("new_values", ":days 20").find("libtrusted"),
            std::string::npos);

  out = run("first_use", ":value '/tmp/'");
  EXPECT_NE(out.find("|/tmp/evil.so|bob|/usr/bin/id|id -u|/home/bob|"
                     "/usr/bin/bash|pts0"),
            std::string::npos)
      << out;
  EXPECT_NE(out.find("|eve|"), std::string::npos) << out;
  EXPECT_EQ(out.find("|root|"), std::string::npos) << out;

  out = run("one_value", ":value '/tmp/evil.so'");
  for (const char* part :
       {"first seen|LD_PRELOAD|bob|/usr/bin/id|origin exec, state alerted, "
        "seen 2 times",
        "used by|LD_PRELOAD|bob|/usr/bin/ls|1 times until",
        "alert 3 pending|LD_PRELOAD|bob|/usr/bin/id|id -u  cwd=/home/bob  "
        "audit=",
        "library of alert 3|LD_PRELOAD|owner bob|/tmp/evil.so|exists, mode "
        "0777, writable by others"})
    EXPECT_NE(out.find(part), std::string::npos) << part << "\n" << out;
  EXPECT_EQ(out.find("eve"), std::string::npos) << out;

  out = run("one_value", ":value '/usr/lib/a.so:/tmp/evil.so'");
  EXPECT_NE(out.find("library of alert 4|LD_PRELOAD||/usr/lib/a.so|does not "
                     "exist\n"),
            std::string::npos)
      << out;

  out = run("by_program");
  EXPECT_NE(out.find("/usr/sbin/cron|2|1|100|"), std::string::npos) << out;
  EXPECT_NE(out.find("/usr/bin/ls|2|2|2|"), std::string::npos) << out;
  out = run("by_user");
  EXPECT_NE(out.find("root|3|3|3|200|"), std::string::npos) << out;
  EXPECT_NE(out.find("eve|1|1|1|1|"), std::string::npos) << out;

  out = run("timeline", ":days 12");
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 12) << out;
  EXPECT_NE(out.find("|3|████████████████████████████████████████|0\n"),
            std::string::npos)
      << out;
  EXPECT_NE(out.find("|2|███████████████████████████|4\n"), std::string::npos)
      << out;

  out = run("coverage");
  EXPECT_NE(out.find("|100|95|0|5|0|95.0|███████████████████|3|1|1|0\n"),
            std::string::npos)
      << out;
  EXPECT_NE(run("missed").find("exited|/usr/bin/id|1|1|"), std::string::npos);
  out = run("shared_libraries");
  EXPECT_NE(out.find("/tmp/evil.so|2|LD_PRELOAD|"), std::string::npos) << out;
  EXPECT_EQ(out.find("a.so|"), std::string::npos) << out;
}

TEST_F(Queries, ExceptionCandidatesAreLinesOfAConfiguration) {
  if (!have_cli())
    GTEST_SKIP() << "no sqlite3 command on this machine";
  const int64_t today = clock_.wall_us();
  // Nobody looked at the library of what did not alert.
  for (int day = 10; day > 0; --day)
    for (int i = 0; i < 5; ++i)
      seen("/usr/lib/learned.so", "/usr/sbin/cron", 0, "root",
           today - day * kDayUs,
           day == 10 && i == 0 ? Verdict::kLearned : Verdict::kKnown);
  // Often, but not by root.
  for (int day = 10; day > 0; --day)
    for (int i = 0; i < 5; ++i)
      seen("/usr/lib/users.so", "/usr/bin/id", day == 5 && i == 0 ? 0 : 1000,
           "bob", today - day * kDayUs,
           day == 10 && i == 0 ? Verdict::kNew : Verdict::kKnown);
  looked_at(5, "/usr/lib/users.so", 0);
  // Others could put it there.
  for (int day = 10; day > 0; --day)
    for (int i = 0; i < 5; ++i)
      seen("/srv/absent.so", "/usr/sbin/cron", 0, "root", today - day * kDayUs,
           day == 10 && i == 0 ? Verdict::kNew : Verdict::kKnown);
  AlertFacts facts;
  facts.libraries.emplace_back().named = "/srv/absent.so";
  facts.libraries.back().writable_by_others = true;
  must(store_->set_ready(6, &facts));
  must(store_->flush());
  const std::string out = run("exception_candidates");
  const auto config = parse_config(out, "candidates");
  ASSERT_TRUE(config) << config.error().message() << "\n" << out;
  std::vector<std::string> lines;
  for (const ExceptionLine& line : config->exceptions)
    lines.push_back(line.text);
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines,
            (std::vector<std::string>{
                R"(process.env_vars:"LD_PRELOAD=/usr/lib/\"q\\uote\".so")",
                "process.env_vars:\"LD_PRELOAD=/usr/lib/x86_64-linux-gnu/"
                "libtrusted.so\""}))
      << out;
  EXPECT_EQ(run("exception_candidates", ":days 30"), "");
}

}  // namespace
}  // namespace preload
