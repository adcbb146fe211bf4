// SPDX-License-Identifier: Apache-2.0
#include "preload/store/history_reader.h"

#include <fstream>

#include <gtest/gtest.h>

#include "preload/store/history_file.h"
#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

TEST(Inspect, LooksAtARunningStore) {
  FakeClock clock;
  TempDir dir;
  const std::string path = dir / "history.db";
  const auto store = must(Store::open(path, clock));
  must(store->set_sinks(kSinks));
  const int64_t begun = clock.wall_us();
  record(*store, exec_event("a"), Verdict::kNew);
  clock.advance_us(5'000'000);
  record(*store, exec_event("b"), Verdict::kLearned);
  record(*store, exec_event("c"), Verdict::kNew);
  must(store->add_exception_hits("process.name:\"a\\b\"", 3, 100));
  must(store->add_exception_hits("process.name:\"a\\b\"", 4, 90));
  must(store->add_exception_hits("process.name:z", 0, 0));

  HistoryReader history = must(HistoryReader::open(path));
  EXPECT_EQ(must(history.schema_version()), schema_version());
  EXPECT_EQ(must(history.term_count()), 3);
  EXPECT_EQ(must(history.pending_alerts()).count, 2);
  EXPECT_EQ(must(history.pending_alerts()).oldest_us, begun);
  must(history.check_integrity());
  const auto hits = must(history.exception_hits());
  ASSERT_EQ(hits.size(), 2U);
  EXPECT_EQ(hits[0].text, "process.name:\"a\\b\"");
  EXPECT_EQ(hits[0].hits, 7);
  EXPECT_EQ(hits[0].last_hit_us, 100);
  EXPECT_EQ(hits[1].hits, 0);

  take_up_to(*store, 1);
  EXPECT_EQ(must(history.pending_alerts()).count, 1);
  EXPECT_EQ(must(history.pending_alerts()).oldest_us, begun + 5'000'000);
  take_up_to(*store, 2);
  EXPECT_EQ(must(history.pending_alerts()).oldest_us, 0);
}

TEST(Inspect, FindsOnlyTermsThatAreNewer) {
  const std::string value = "/nonexistent/\x01\\ \"\xff";
  FakeClock clock;
  TempDir dir;
  const auto store = must(Store::open(dir / "history.db", clock));
  HistoryReader history = must(HistoryReader::open(dir / "history.db"));
  must(store->set_sinks(kSinks));
  EXPECT_EQ(must(history.last_term_id()), 0);
  record(*store, exec_event("/before"), Verdict::kNew);
  const int64_t before = must(history.last_term_id());
  record(*store, exec_event(value), Verdict::kNew);
  record(*store, unaudited_event("/learned"), Verdict::kLearned);
  const auto find = [&](int64_t after, std::string_view wanted,
                        std::string_view variable = "LD_PRELOAD") {
    return must(history.find_new_term(after, variable, wanted));
  };
  const auto found = find(before, value);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state, "alerted");
  EXPECT_EQ(found->origin, "exec");
  EXPECT_EQ(found->alert_id, 2);
  EXPECT_EQ(found->alert_state, "pending");
  EXPECT_EQ(found->capture, "exec");
  EXPECT_EQ(found->audit_id, "1795484879.068:1234");
  take_up_to(*store, 2);
  EXPECT_EQ(find(before, value)->alert_state, "sent");

  const auto learned = find(before, "/learned");
  ASSERT_TRUE(learned);
  EXPECT_EQ(learned->state, "learned");
  EXPECT_EQ(learned->origin, "unaudited");
  EXPECT_EQ(learned->alert_id, 0);

  EXPECT_FALSE(find(found->term_id, value));
  EXPECT_FALSE(find(before, "/before"));
  EXPECT_FALSE(find(before, value, "LD_AUDIT"));
}

TEST(Inspect, SaysWhatIsWrong) {
  TempDir dir;
  const auto missing = HistoryReader::open(dir / "none.db");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message().find("not there yet"), std::string::npos);
  std::ofstream(dir / "text.db") << std::string(5000, 'x');
  const auto text = HistoryReader::open(dir / "text.db");
  ASSERT_FALSE(text);
  EXPECT_TRUE(is_corrupt(text.error())) << text.error().message();
  std::ofstream(dir / "other.db").flush();
  const auto other = HistoryReader::open(dir / "other.db");
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message().find("not a database of audisp-preload"),
            std::string::npos);
}

}  // namespace
}  // namespace preload
