// SPDX-License-Identifier: Apache-2.0
#include "preload/store/inspect.h"

#include <vector>

#include <gtest/gtest.h>

#include "preload/store/history_file.h"
#include "preload/store/store.h"
#include "support/events.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

class InspectionTest : public testing::Test {
 protected:
  InspectionTest() : path_(dir_ / "history.db") {
    auto store = Store::open(path_, clock_);
    EXPECT_TRUE(store.has_value()) << store.error().message();
    store_ = std::move(*store);
  }

  Alert raise(const std::string& value) {
    const std::vector<Decision> decisions{decision(value, Verdict::kNew)};
    auto alerts = store_->record(exec_event(value), decisions, {"low", 21});
    EXPECT_TRUE(alerts.has_value());
    return alerts->at(0);
  }
  Inspection inspect() {
    auto inspection = Inspection::open(path_);
    EXPECT_TRUE(inspection.has_value()) << inspection.error().message();
    return std::move(*inspection);
  }

  FakeClock clock_;
  TempDir dir_;
  std::string path_;
  std::unique_ptr<Store> store_;
};

TEST_F(InspectionTest, SeesWhatTheWriterCommits) {
  Inspection inspection = inspect();
  EXPECT_EQ(inspection.schema_version().value(), schema_version());
  EXPECT_EQ(inspection.created_at_us().value(), clock_.wall_us());
  EXPECT_EQ(inspection.pending_alerts()->count, 0);
  EXPECT_EQ(inspection.pending_alerts()->oldest_us, 0);
  const int64_t raised_at = clock_.wall_us();
  const Alert first = raise("/a");
  clock_.advance_us(5'000'000);
  raise("/b");
  EXPECT_EQ(inspection.term_count().value(), 2);
  EXPECT_EQ(inspection.pending_alerts()->count, 2);
  EXPECT_EQ(inspection.pending_alerts()->oldest_us, raised_at);
  const std::vector<int64_t> sent{first.alert_id};
  ASSERT_TRUE(store_->acknowledge(sent));
  EXPECT_EQ(inspection.pending_alerts()->count, 1);
  EXPECT_EQ(inspection.pending_alerts()->oldest_us, raised_at + 5'000'000);
  EXPECT_TRUE(inspection.check_integrity());
}

TEST_F(InspectionTest, FindsOnlyTermsThatAreNewer) {
  const std::string value = "/nonexistent/\x01\\ \"\xff";
  Inspection inspection = inspect();
  EXPECT_EQ(inspection.last_term_id().value(), 0);
  raise("/before");
  const int64_t before = inspection.last_term_id().value();
  const Alert alert = raise(value);
  const auto find = [&](int64_t after, std::string_view wanted) {
    return inspection.find_new_term(after, "LD_PRELOAD", wanted).value();
  };
  const auto found = find(before, value);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->state, "alerted");
  EXPECT_EQ(found->origin, "exec");
  EXPECT_EQ(found->alert_id, alert.alert_id);
  EXPECT_EQ(found->alert_state, "pending");
  EXPECT_EQ(found->capture, "exec");
  EXPECT_EQ(found->audit_id, "1795484879.068:1234");
  EXPECT_FALSE(find(found->term_id, value).has_value());
  EXPECT_FALSE(find(before, "/other").has_value());
  EXPECT_FALSE(
      inspection.find_new_term(before, "LD_AUDIT", value)->has_value());
}

TEST_F(InspectionTest, GivesOneDaysCoverage) {
  CoverageDelta delta;
  delta.day = 20000;
  delta.captured_at_exec = 90;
  delta.captured_late = 5;
  delta.unaudited = 2;
  delta.missed = {1, 0, 2, 0};
  ASSERT_TRUE(store_->add_coverage(delta));
  Inspection inspection = inspect();
  const auto day = inspection.coverage_of(20000).value();
  ASSERT_TRUE(day.has_value());
  EXPECT_EQ(day->captured_at_exec, 90);
  EXPECT_EQ(day->captured_late, 5);
  EXPECT_EQ(day->unaudited, 2);
  EXPECT_EQ(day->missed, 3);
  EXPECT_FALSE(inspection.coverage_of(20001)->has_value());
}

TEST(InspectionOpen, SaysWhatIsNotThere) {
  const TempDir dir;
  const auto missing = Inspection::open(dir / "history.db");
  ASSERT_FALSE(missing.has_value());
  EXPECT_NE(missing.error().message().find("not there yet"), std::string::npos);
}

}  // namespace
}  // namespace preload
