// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/exec_event.h"

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

TEST(ExecEvent, WeighsWhatItHolds) {
  ExecEvent event = exec_event("x");
  const size_t before = weight(event);
  event.env.push_back({"LD_AUDIT", std::string(1000, 'a')});
  event.argv.emplace_back(500, 'b');
  EXPECT_GE(weight(event), before + 1500);
  EXPECT_LT(weight(event), before + 2000);
}

TEST(ExecEvent, WordsOfTheDatabase) {
  EXPECT_EQ(to_string(Capture::kLate), "late");
  EXPECT_EQ(to_string(Origin::kLoaderOption), "ld.so-option");
  EXPECT_EQ(to_string(Origin::kPreloadFile), "ld.so.preload");
  EXPECT_EQ(to_string(MissReason::kUnreadable), "unreadable");
}

}  // namespace
}  // namespace preload
