// SPDX-License-Identifier: Apache-2.0
#include "preload/store/inspect.h"

#include <fstream>

#include <gtest/gtest.h>

#include "../support/store_helper.h"
#include "../support/temp_dir.h"
#include "preload/store/history_file.h"

namespace preload {
namespace {

TEST(Inspect, LooksAtARunningStore) {
  FakeClock clock;
  TempDir dir;
  const std::string path = dir / "history.db";
  const auto store = must(Store::open(path, clock));
  record(*store, exec_event("a"), Verdict::kNew);
  record(*store, exec_event("b"), Verdict::kLearned);
  must(store->add_exception_hits("process.name:\"a\\b\"", 3, 100));
  must(store->add_exception_hits("process.name:\"a\\b\"", 4, 90));
  must(store->add_exception_hits("process.name:z", 0, 0));

  Inspection inspection = must(Inspection::open(path));
  EXPECT_EQ(must(inspection.schema_version()), schema_version());
  EXPECT_EQ(must(inspection.term_count()), 2);
  EXPECT_EQ(must(inspection.pending_alerts()), 1);
  EXPECT_EQ(must(inspection.created_at_us()), clock.wall_us());
  must(inspection.check_integrity());
  const auto hits = must(inspection.exception_hits());
  ASSERT_EQ(hits.size(), 2U);
  EXPECT_EQ(hits[0].text, "process.name:\"a\\b\"");
  EXPECT_EQ(hits[0].hits, 7);
  EXPECT_EQ(hits[0].last_hit_us, 100);
  EXPECT_EQ(hits[1].hits, 0);

  const auto digest = [](const std::string& value) {
    return decision(value, Verdict::kKnown).term.digest;
  };
  const auto a = must(inspection.find_term(digest("a")));
  ASSERT_TRUE(a);
  EXPECT_EQ(a->alert_id, 1);
  EXPECT_EQ(a->alert_state, "pending");
  EXPECT_EQ(a->raised_at_us, clock.wall_us());
  EXPECT_EQ(must(inspection.find_term(digest("b")))->alert_id, 0);
  EXPECT_FALSE(must(inspection.find_term(digest("c"))));
  must(store->acknowledge(std::vector<int64_t>{1}));
  EXPECT_EQ(must(inspection.find_term(digest("a")))->alert_state, "sent");
}

TEST(Inspect, SaysWhatIsWrong) {
  TempDir dir;
  const auto missing = Inspection::open(dir / "none.db");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message().find("not there yet"), std::string::npos);
  std::ofstream(dir / "text.db") << std::string(5000, 'x');
  const auto text = Inspection::open(dir / "text.db");
  ASSERT_FALSE(text);
  EXPECT_TRUE(is_corrupt(text.error())) << text.error().message();
  std::ofstream(dir / "other.db").flush();
  const auto other = Inspection::open(dir / "other.db");
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message().find("not a database of audisp-preload"),
            std::string::npos);
}

}  // namespace
}  // namespace preload
