// SPDX-License-Identifier: Apache-2.0
#include "preload/store/event_json.h"

#include <random>

#include <gtest/gtest.h>

#include "support/events.h"

namespace preload {
namespace {

// Every field set to something that is not its default.
ExecEvent random_event(std::mt19937& random) {
  const auto text = [&] { return hostile_bytes(random, 30) + "x"; };
  const auto number = [&] { return static_cast<uint32_t>(random()); };
  ExecEvent event;
  event.capture = static_cast<Capture>(random() % 3);
  event.origin = static_cast<Origin>(random() % 5);
  event.missed = static_cast<MissReason>(random() % 4);
  event.time_us = static_cast<int64_t>(random()) << 20;
  event.exec_ns = UINT64_MAX - random();
  event.audit = {static_cast<int64_t>(number()), number() % 1000, random(),
                 text()};
  for (size_t n = random() % 4; n > 0; --n)
    event.env.push_back({text(), hostile_bytes(random, 60)});
  for (size_t n = random() % 4; n > 0; --n)
    event.argv.push_back(hostile_bytes(random, 20));
  event.argv_truncated = random() % 2 == 0;
  for (std::string* s :
       {&event.executable, &event.comm, &event.cwd, &event.parent_executable,
        &event.user, &event.login_user, &event.tty, &event.key, &event.syscall,
        &event.cgroup, &event.container})
    *s = text();
  event.pid = static_cast<int32_t>(number());
  event.ppid = static_cast<int32_t>(number());
  event.start_ticks = random();
  for (uint32_t* id : {&event.uid, &event.euid, &event.gid, &event.egid,
                       &event.auid, &event.ses})
    *id = number();
  if (random() % 3 != 0)
    event.secure = random() % 2 == 0;
  if (random() % 3 != 0)
    event.no_interpreter = random() % 2 == 0;
  return event;
}

TEST(ExecEventJson, ReturnsEveryBytes) {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    const ExecEvent event = random_event(random);
    const std::string json = to_json(event);
    for (const char c : json)
      ASSERT_TRUE(static_cast<uint8_t>(c) >= 0x20 && c != 0x7f) << json;
    const auto back = exec_event_from_json(json);
    ASSERT_TRUE(back) << back.error().message() << json;
    ASSERT_EQ(*back, event) << json;
  }
}

TEST(ExecEventJson, LeavesOutWhatIsNotThere) {
  EXPECT_EQ(to_json(ExecEvent{}), "{}");
  EXPECT_EQ(*exec_event_from_json(to_json(ExecEvent{})), ExecEvent{});
}

TEST(ExecEventJson, IsReadableForAnalysts) {
  const std::string json = to_json(exec_event("/tmp/\x01x.so"));
  EXPECT_NE(json.find(R"("cwd":"/home/bob")"), std::string::npos) << json;
  EXPECT_NE(
      json.find(R"("env":[{"name":"LD_PRELOAD","value":"/tmp/\\x01x.so"}])"),
      std::string::npos)
      << json;
  EXPECT_NE(json.find(R"("capture":"exec")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("uid":1000)"), std::string::npos) << json;
}

TEST(ExecEventJson, RefusesWhatIsNotOne) {
  for (const char* json :
       {"", "[]", "nonsense", "{\"pid\":\"1\"}", "{\"pid\":99999999999}",
        "{\"uid\":-1}", "{\"origin\":\"elsewhere\"}", "{\"cwd\":\"\\\\q\"}",
        "{\"env\":[1]}", "{\"audit\":{\"sec\":\"x\"}}", "{\"argv\":{}}",
        "{\"secure\":1}", "{\"uid\":1.5}"}) {
    const auto event = exec_event_from_json(json);
    EXPECT_FALSE(event) << json;
  }
}

TEST(ExecEventJson, ReadsRowsOfEarlierVersions) {
  // As 0.1.0 wrote it: members without a value are left out at every depth.
  const auto event = exec_event_from_json(
      R"({"capture":"late","origin":"unaudited","audit":{"sec":5,"ms":0,)"
      R"("serial":7},"env":[{"name":"LD_PRELOAD"}],"uid":0,"later":[1]})");
  ASSERT_TRUE(event) << event.error().message();
  EXPECT_EQ(event->capture, Capture::kLate);
  EXPECT_EQ(event->origin, Origin::kUnaudited);
  EXPECT_EQ(event->audit, (AuditId{5, 0, 7, ""}));
  EXPECT_EQ(event->env, (std::vector<EnvVar>{{"LD_PRELOAD", ""}}));
  EXPECT_EQ(event->uid, 0U);
  EXPECT_EQ(event->euid, kUnsetId);
  EXPECT_FALSE(event->secure.has_value());
}

TEST(AlertFactsJson, ReturnsEveryBytes) {
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    AlertFacts facts;
    for (size_t n = random() % 4; n > 0; --n) {
      LibraryFact& fact = facts.libraries.emplace_back();
      fact.named = hostile_bytes(random, 40);
      fact.path = hostile_bytes(random, 40);
      fact.mapped = random() % 2 == 0;
      fact.exists = random() % 2 == 0;
      fact.writable_by_others = random() % 2 == 0;
      if (!fact.exists)
        continue;
      fact.owner = static_cast<uint32_t>(random());
      fact.mode = static_cast<uint32_t>(random() % 07777);
      fact.size = UINT64_MAX - random();
      fact.mtime_us = -static_cast<int64_t>(random());
      fact.sha256 = random() % 2 == 0 ? "" : "ab12";
    }
    if (random() % 2 == 0) {
      facts.introducer_pid = static_cast<int32_t>(1 + random() % 9999);
      facts.introducer_executable = hostile_bytes(random, 40);
    }
    const std::string json = to_json(facts);
    const auto back = facts_from_json(json);
    ASSERT_TRUE(back) << json;
    EXPECT_EQ(to_json(*back), json);
    ASSERT_EQ(back->libraries.size(), facts.libraries.size()) << json;
    EXPECT_EQ(back->introducer_pid, facts.introducer_pid);
    EXPECT_EQ(back->introducer_executable, facts.introducer_executable);
    for (size_t i = 0; i < facts.libraries.size(); ++i) {
      const LibraryFact& a = facts.libraries[i];
      const LibraryFact& b = back->libraries[i];
      EXPECT_EQ(a.named, b.named);
      EXPECT_EQ(a.path, b.path);
      EXPECT_EQ(a.exists, b.exists);
      EXPECT_EQ(a.owner, b.owner);
      EXPECT_EQ(a.mode, b.mode);
      EXPECT_EQ(a.size, b.size);
      EXPECT_EQ(a.mtime_us, b.mtime_us);
      EXPECT_EQ(a.sha256, b.sha256);
      EXPECT_EQ(a.writable_by_others, b.writable_by_others);
      EXPECT_EQ(a.mapped, b.mapped);
    }
  }
}

TEST(AlertFactsJson, RefusesWhatIsNotOne) {
  for (const char* json : {"", "[]", "1", "{"})
    EXPECT_FALSE(facts_from_json(json)) << json;
  EXPECT_TRUE(facts_from_json("{}")->libraries.empty());
  EXPECT_FALSE(facts_from_json(R"({"libraries":[1,"x"]})"));
}

}  // namespace
}  // namespace preload
