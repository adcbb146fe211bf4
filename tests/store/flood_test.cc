// SPDX-License-Identifier: Apache-2.0
// A user who makes up a value per exec: what he may fill is bounded, and the
// others are alerted as before.
#include <chrono>
#include <cstdlib>
#include <iostream>

#include <gtest/gtest.h>

#include "preload/detect/new_terms.h"
#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

constexpr int64_t kSecond = kMicrosPerSecond;

class Flood : public testing::Test {
 protected:
  Flood() {
    Rule rule;
    rule.fields = {"process.env_vars"};
    rule.history_window_us = 30LL * 86400 * kSecond;
    rule.interval_us = 300 * kSecond;
    rule.max_alerts = 100;
    rule_.set_rule(std::move(rule));
  }

  static ExecEvent by(uint32_t uid, const std::string& value) {
    ExecEvent event = exec_event(value);
    event.uid = event.euid = event.auid = uid;
    event.user = event.login_user = "user" + std::to_string(uid);
    return event;
  }

  // As the store thread does it.
  std::vector<Alert> process(ExecEvent event) {
    event.time_us = clock_.wall_us();
    const auto decisions =
        must(rule_.decide(event, clock_.wall_us(), store_->terms()));
    return transact(*store_, [&] {
      return store_->record(shared(event), decisions, kMark);
    });
  }
  static size_t pending(const std::vector<Alert>& alerts) {
    size_t count = 0;
    for (const Alert& alert : alerts)
      count += alert.capped ? 0 : 1;
    return count;
  }
  // What the summaries tell.
  void add_excess() {
    if (const auto overrun = rule_.take_overruns(clock_.wall_us())) {
      flooded_ += overrun->flooded;
      EXPECT_EQ(overrun->users.at(0).owner.uid, 1000U);
    }
  }
  [[nodiscard]] int64_t database_bytes() const {
    int64_t bytes = 0;
    for (const char* suffix : {"", "-wal"})
      bytes += static_cast<int64_t>(std::filesystem::file_size(path_ + suffix));
    return bytes;
  }

  FakeClock clock_;
  TempDir dir_{memory_directory()};
  std::string path_ = dir_ / "history.db";
  std::unique_ptr<Store> store_ = must(Store::open(path_, clock_));
  NewTerms rule_{Rule{}};
  uint64_t flooded_ = 0;
};

TEST_F(Flood, AValuePerExecFillsNeitherTheDiskNorTheOthersAlerts) {
  // NOLINTNEXTLINE: nobody changes the environment
  const char* given = ::getenv("PRELOAD_FLOOD");
  const int values = given == nullptr ? 100'000 : std::atoi(given);
  const auto begin = std::chrono::steady_clock::now();
  size_t others = 0;
  must(store_->begin());
  for (int i = 0; i < values; ++i) {
    process(by(1000, "/tmp/flood/" + std::to_string(i) + ".so"));
    // Now and then, somebody else's.
    if (i % (values / 10) == 0)
      others += pending(process(by(1001, "/opt/" + std::to_string(i))));
    if (i % 512 == 511) {
      must(store_->commit());
      clock_.advance_us(kSecond / 2);
      must(store_->begin());
    }
    if (i % 10'240 == 10'239) {
      must(store_->commit());
      must(store_->flush());
      must(store_->maintain());
      add_excess();
      must(store_->begin());
    }
  }
  must(store_->commit());
  must(store_->flush());
  must(store_->maintain());
  const std::chrono::duration<double> took =
      std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(others, 10U);
  EXPECT_EQ(value_of(path_, "SELECT count(*) FROM term"), "10010");
  EXPECT_EQ(value_of(path_, "SELECT count(*) FROM alert"), "10010");
  EXPECT_EQ(value_of(path_, "SELECT count(*) FROM sighting"), "10010");
  EXPECT_LT(database_bytes(), 24'000'000);
  // Half a millisecond each, which a busy machine does too.
  EXPECT_LT(took.count(), values * 0.0005);
  clock_.advance_us(300 * kSecond);
  add_excess();
  EXPECT_EQ(flooded_, static_cast<uint64_t>(values - 10'000));
  std::cout << values
            << " new values of one user: " << took.count() * 1e6 / values
            << " us each, database " << database_bytes() / 1000 << " kB\n";
}

TEST_F(Flood, ProgramsMadeUpForEachExecFillNoMoreThanAShare) {
  constexpr int kTerms = 20;
  constexpr int kPrograms = 2'000;
  const std::string long_name(1'000, 'p');
  uint64_t refused = 0;
  must(store_->begin());
  for (int term = 0; term < kTerms; ++term) {
    for (int program = 0; program < kPrograms; ++program) {
      ExecEvent event = by(1000, "/tmp/" + std::to_string(term));
      event.executable = "/tmp/" + long_name + std::to_string(program);
      process(std::move(event));
    }
    must(store_->commit());
    must(store_->flush());
    must(store_->maintain());
    refused += store_->terms().take_refused();
    must(store_->begin());
  }
  // Another user's is still kept.
  process(by(1001, "/tmp/0"));
  must(store_->commit());
  must(store_->flush());
  EXPECT_GT(refused, 0U);
  EXPECT_LT(database_bytes(), int64_t{120} << 20);
  EXPECT_EQ(value_of(path_, "SELECT count(*) FROM sighting WHERE uid = 1001"),
            "1");
  EXPECT_EQ(value_of(path_, "SELECT sum(seen_count) FROM term"),
            std::to_string(kTerms * kPrograms + 1));
  // A new day, a new share.
  clock_.advance_us(86400 * kSecond);
  ExecEvent event = by(1000, "/tmp/0");
  event.executable = "/tmp/tomorrow";
  process(std::move(event));
  must(store_->flush());
  EXPECT_EQ(value_of(path_,
                     "SELECT count(*) FROM sighting WHERE executable = "
                     "'/tmp/tomorrow'"),
            "1");
}

}  // namespace
}  // namespace preload
