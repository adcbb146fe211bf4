// SPDX-License-Identifier: Apache-2.0
#include "preload/enrich/enricher.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

TEST(UserNames, AreThoseOfTheSystem) {
  const FakeClock clock;
  UserNames names(clock);
  EXPECT_EQ(names.name_of(0), "root");
  EXPECT_EQ(names.name_of(kUnsetId), "");
  EXPECT_EQ(names.name_of(3'999'999'999), "");
}

TEST(UserNames, AreAskedForAgainWhenTheyAreOld) {
  FakeClock clock;
  auto asked = std::make_shared<std::atomic<int>>(0);
  UserNames names(clock, [asked](uint32_t uid) {
    ++*asked;
    return uid == 1 ? "one" : "";
  });
  const auto both = [&] {
    EXPECT_EQ(names.name_of(1), "one");
    EXPECT_EQ(names.name_of(2), "");
    return asked->load();
  };
  EXPECT_EQ(both(), 2);
  EXPECT_EQ(both(), 2);
  clock.advance_us(61 * kMicrosPerSecond);
  EXPECT_EQ(both(), 3);
  clock.advance_us(3600 * kMicrosPerSecond);
  EXPECT_EQ(both(), 5);
}

TEST(UserNames, OneThatHangsHoldsUpNoOther) {
  const FakeClock clock;
  auto release = std::make_shared<std::promise<void>>();
  const std::shared_future<void> released = release->get_future().share();
  UserNames names(clock, [released](uint32_t uid) {
    if (uid == 1)
      released.wait();
    return uid == 1 ? "one" : "two";
  });
  EXPECT_EQ(names.name_of(1), "");
  EXPECT_EQ(names.name_of(2), "two");
  release->set_value();
}

Alert alert_for(int64_t id, const std::string& library) {
  Alert alert;
  alert.alert_id = id;
  alert.raised_at_us = 100 + id;
  alert.term.variable = "LD_PRELOAD";
  alert.term.value = library;
  ExecEvent event;
  event.env = {{"LD_PRELOAD", library}};
  event.pid = ::getpid();
  event.uid = 0;
  alert.event = std::make_shared<const ExecEvent>(std::move(event));
  return alert;
}

class EnricherTest : public testing::Test {
 protected:
  Enricher::Answer answer() {
    return [this](Facts facts) {
      const std::lock_guard lock(mutex_);
      answers_.push_back(std::move(facts));
      changed_.notify_all();
    };
  }
  std::vector<Facts> wait_for_answers(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10),
                      [&] { return answers_.size() >= count; });
    return answers_;
  }

  SystemClock clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Facts> answers_;
};

TEST_F(EnricherTest, FindsLibraryAndUser) {
  const TempDir dir;
  std::ofstream(dir / "x.so") << "library";
  UserNames names(clock_);
  Enricher enricher(names, answer());
  ASSERT_TRUE(enricher.submit(alert_for(1, dir / "x.so")));
  const auto found = wait_for_answers(1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].alert_id, 1);
  EXPECT_EQ(found[0].raised_at_us, 101);
  ASSERT_EQ(found[0].names.size(), 2U);
  EXPECT_EQ(found[0].names[0], std::pair(0U, std::string("root")));
  EXPECT_EQ(found[0].names[1], std::pair(kUnsetId, std::string()));
  ASSERT_EQ(found[0].facts.libraries.size(), 1U);
  EXPECT_EQ(found[0].facts.libraries[0].exists, true);
  EXPECT_EQ(found[0].facts.libraries[0].size, 7U);
}

TEST_F(EnricherTest, AUserThatHangsCostsOneAlertItsNameAndNoneItsFacts) {
  const TempDir dir;
  std::ofstream(dir / "x.so") << "library";
  const auto released = std::make_shared<std::atomic<bool>>(false);
  UserNames names(clock_, [released](uint32_t) {
    while (!*released)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return std::string("late");
  });
  Enricher enricher(names, answer());
  ASSERT_TRUE(enricher.submit(alert_for(1, dir / "x.so")));
  const auto found = wait_for_answers(1);
  *released = true;
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].names[0].second, "");
  EXPECT_EQ(found[0].facts.libraries.size(), 1U);
}

TEST_F(EnricherTest, AFullQueueRefusesAndTheEndIsAtOnce) {
  const auto released = std::make_shared<std::atomic<bool>>(false);
  UserNames names(clock_, [released](uint32_t) {
    while (!*released)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return std::string();
  });
  Enricher enricher(names, answer());
  size_t taken = 0;
  while (enricher.submit(alert_for(1, "/x.so")))
    ++taken;
  EXPECT_GE(taken, Enricher::kMaxQueued);
  enricher.stop();
  *released = true;
  EXPECT_FALSE(enricher.submit(alert_for(1, "/x.so")));
}

TEST_F(EnricherTest, NamesAreKnownTheNextTime) {
  UserNames names(clock_);
  Enricher enricher(names, answer());
  EXPECT_EQ(enricher.name_if_known(0), "");
  for (int i = 0; i < 500 && enricher.name_if_known(0).empty(); ++i)
    ::usleep(10'000);
  EXPECT_EQ(enricher.name_if_known(0), "root");
  EXPECT_EQ(enricher.name_if_known(kUnsetId), "");
}

}  // namespace
}  // namespace preload
