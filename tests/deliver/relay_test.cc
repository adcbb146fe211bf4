// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/relay.h"

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "samples.h"
#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

// What happens on the relay's thread, for the test's thread to wait for.
class Journal {
 public:
  void took(int64_t id) {
    const std::lock_guard lock(mutex_);
    taken_.push_back(id);
    changed_.notify_all();
  }
  // -1 in what was taken.
  void took_event() { took(-1); }
  void fail_with(int error) {
    const std::lock_guard lock(mutex_);
    error_ = error;
  }
  int attempt() {
    std::unique_lock lock(mutex_);
    ++attempts_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !blocked_; });
    return error_;
  }
  void block(bool blocked) {
    const std::lock_guard lock(mutex_);
    blocked_ = blocked;
    changed_.notify_all();
  }
  void wait_for_attempts(int n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return attempts_ >= n; });
  }
  std::vector<int64_t> wait_for_taken(size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return taken_.size() >= n; });
    return taken_;
  }
  std::vector<int64_t> taken() { return wait_for_taken(0); }
  void reopen() {
    const std::lock_guard lock(mutex_);
    error_ = 0;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int64_t> taken_;
  int attempts_ = 0;
  int error_ = 0;
  bool blocked_ = false;
};

class JournalSink final : public Sink {
 public:
  JournalSink(std::string name, Journal& journal)
      : name_(std::move(name)), journal_(journal) {}
  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] Status deliver(const Alert& alert) override {
    const int error = journal_.attempt();
    if (error != 0)
      return fail("scripted", error);
    journal_.took(alert.alert_id);
    return {};
  }
  [[nodiscard]] Status deliver_event(const ExecEvent&) override {
    journal_.took_event();
    return {};
  }
  void reopen() override { journal_.reopen(); }

 private:
  std::string name_;
  Journal& journal_;
};

using Ids = std::vector<int64_t>;
constexpr int64_t kQuick = kNanosPerMilli;
constexpr int64_t kNever = 3'600 * kNanosPerSecond;
constexpr int64_t kLong = 60'000;

Ids ids(int64_t first, int64_t last) {
  Ids all;
  for (int64_t id = first; id <= last; ++id)
    all.push_back(id);
  return all;
}

// The relay on a database; the test is the store thread.
class RelayTest : public testing::Test {
 protected:
  Sinks sinks(std::initializer_list<Journal*> journals) {
    Sinks list;
    names_.clear();
    for (Journal* journal : journals) {
      names_.push_back(journal == &a_ ? "a" : journal == &b_ ? "b" : "c");
      list.push_back(std::make_unique<JournalSink>(names_.back(), *journal));
    }
    return list;
  }
  std::unique_ptr<Relay> relay(std::initializer_list<Journal*> journals,
                               int64_t retry_ns) {
    Timing timing;
    timing.sink_retry = timing.sink_retry_most = retry_ns;
    Sinks list = sinks(journals);
    must(store_->set_sinks(names_));
    auto relay = std::make_unique<Relay>(
        path_, std::move(list),
        [this](const SinkPosition& position) {
          const std::lock_guard lock(mutex_);
          positions_.push_back(position);
        },
        metrics_, clock_, timing);
    relay->start([](const std::string& what) { ADD_FAILURE() << what; });
    return relay;
  }
  // Stores so many alerts; they are ready.
  void store(int count) {
    must(store_->begin());
    for (int i = 0; i < count; ++i)
      must(store_->record_summary("s", kMark));
    must(store_->commit());
  }
  void store_and_wake(Relay& relay, int count) {
    store(count);
    relay.wake();
  }
  // What the store thread does with positions; the lowest there is then.
  int64_t persist() {
    const std::lock_guard lock(mutex_);
    for (const SinkPosition& position : positions_)
      if (position.database == database_)
        must(store_->set_position(position.name, position.alert_id));
    positions_.clear();
    return std::stoll(
        value_of(path_, "SELECT min(cursor) FROM sink WHERE configured"));
  }
  void wait_for_position(int64_t alert_id) {
    while (persist() < alert_id)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  static Alert unstored() {
    Alert alert = sample_alert();
    alert.alert_id = 0;
    return alert;
  }

  Journal a_, b_, c_;
  Metrics metrics_;
  SystemClock clock_;
  TempDir dir_{memory_directory()};
  std::string path_ = dir_ / "history.db";
  std::unique_ptr<Store> store_ = must(Store::open(path_, clock_));
  uint64_t database_ = 0;
  std::vector<std::string> names_;
  std::mutex mutex_;
  std::vector<SinkPosition> positions_;
};

TEST_F(RelayTest, DeliversInOrderAndPostsPositions) {
  const auto relay = this->relay({&a_, &b_}, kNever);
  store_and_wake(*relay, 3);
  wait_for_position(3);
  EXPECT_EQ(a_.taken(), ids(1, 3));
  EXPECT_EQ(b_.taken(), ids(1, 3));
  relay->stop(kLong);
  EXPECT_EQ(metrics_.get(Metric::kAlertsSent), 3U);
}

TEST_F(RelayTest, AnAlertThatIsNotReadyHoldsUpThoseAfterIt) {
  const auto relay = this->relay({&a_}, kNever);
  const auto raised = record(*store_, exec_event("x"), Verdict::kNew);
  store_and_wake(*relay, 1);
  relay->wake();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(a_.taken(), Ids{});
  must(store_->set_ready(raised.at(0).alert_id, nullptr));
  relay->wake();
  EXPECT_EQ(a_.wait_for_taken(2), ids(1, 2));
  relay->stop(kLong);
  EXPECT_EQ(metrics_.snapshot().latency.count, 1U);
}

TEST_F(RelayTest, TriesAgainByItself) {
  a_.fail_with(ECONNREFUSED);
  const auto relay = this->relay({&a_}, kQuick);
  store_and_wake(*relay, 1);
  a_.wait_for_attempts(3);
  EXPECT_EQ(persist(), 0);
  a_.fail_with(0);
  wait_for_position(1);
  EXPECT_EQ(a_.taken(), Ids{1});
}

TEST_F(RelayTest, WhatCanNeverBeDeliveredCountsAsTaken) {
  for (const int error : {EMSGSIZE, EINVAL}) {
    a_.fail_with(error);
    const auto relay = this->relay({&a_}, kNever);
    store_and_wake(*relay, 1);
    wait_for_position(error == EMSGSIZE ? 1 : 2);
  }
  EXPECT_EQ(a_.taken(), Ids{});
  EXPECT_EQ(metrics_.get(Metric::kDeliveryErrors), 2U);
}

TEST_F(RelayTest, ReopenEndsTheWait) {
  a_.fail_with(EACCES);
  const auto relay = this->relay({&a_}, kNever);
  store_and_wake(*relay, 1);
  a_.wait_for_attempts(1);
  relay->reopen();
  wait_for_position(1);
}

TEST_F(RelayTest, GoesOnAfterARestartWhereItWas) {
  auto relay = this->relay({&a_}, kNever);
  store_and_wake(*relay, 3);
  a_.wait_for_taken(3);
  relay.reset();
  // A crash: the position of the last did not reach the database.
  must(store_->set_position("a", 2));
  store(2);
  relay = this->relay({&a_}, kNever);
  EXPECT_EQ(a_.wait_for_taken(6), (Ids{1, 2, 3, 3, 4, 5}));
}

TEST_F(RelayTest, ASinkOutOfOrderForLongHoldsUpOnlyItself) {
  b_.fail_with(ENOSPC);
  const auto relay = this->relay({&a_, &b_}, kNever);
  constexpr int kAll = 3'000;
  store_and_wake(*relay, kAll);
  EXPECT_EQ(a_.wait_for_taken(kAll), ids(1, kAll));
  EXPECT_EQ(b_.taken(), Ids{});
  EXPECT_EQ(persist(), 0);
  EXPECT_EQ(metrics_.get(Metric::kAlertsSent), 0U);
  b_.fail_with(0);
  relay->reopen();
  wait_for_position(kAll);
  EXPECT_EQ(a_.taken(), ids(1, kAll));
  EXPECT_EQ(b_.taken(), ids(1, kAll));
  relay->stop(kLong);
  EXPECT_EQ(metrics_.get(Metric::kAlertsSent), 3'000U);
}

TEST_F(RelayTest, AnotherSinkBeginsAtTheNewestAlert) {
  a_.fail_with(EACCES);
  const auto relay = this->relay({&a_, &b_}, kNever);
  store_and_wake(*relay, 2);
  a_.wait_for_attempts(1);
  b_.wait_for_taken(2);
  Sinks others = sinks({&b_, &c_});
  relay->set_sinks(std::move(others));
  must(store_->set_sinks(names_));
  store_and_wake(*relay, 1);
  EXPECT_EQ(b_.wait_for_taken(3), ids(1, 3));
  EXPECT_EQ(c_.wait_for_taken(1), Ids{3});
}

TEST_F(RelayTest, AnotherDatabaseIsReadFromItsBegin) {
  const auto relay = this->relay({&a_}, kNever);
  store_and_wake(*relay, 2);
  wait_for_position(2);
  store_.reset();
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(path_ + suffix);
  store_ = must(Store::open(path_, clock_));
  relay->database_replaced(++database_);
  must(store_->set_sinks(names_));
  store_and_wake(*relay, 1);
  wait_for_position(1);
  EXPECT_EQ(a_.taken(), (Ids{1, 2, 1}));
}

TEST_F(RelayTest, EventsAreDeliveredAndOverflowIsCounted) {
  a_.block(true);
  const auto relay = this->relay({&a_}, kNever);
  store_and_wake(*relay, 1);
  a_.wait_for_attempts(1);  // its thread is in the sink now
  for (int i = 0; i < 1'100; ++i)
    relay->send_event(sample_alert().event);
  EXPECT_EQ(metrics_.get(Metric::kDeliveryErrors), 76U);
  a_.block(false);
  EXPECT_EQ(a_.wait_for_taken(1'025).size(), 1'025U);
}

TEST_F(RelayTest, UnstoredAlertsAreBoundedByNumberAndBytes) {
  a_.block(true);
  const auto relay = this->relay({&a_}, kNever);
  int sent = 0;
  while (relay->send_unstored(unstored()))
    ++sent;
  EXPECT_EQ(sent, 1'024);
  EXPECT_EQ(metrics_.get(Metric::kRelayQueueHighWater), 1'024U);
  a_.block(false);
  EXPECT_EQ(a_.wait_for_taken(1'024), Ids(1'024, 0));
  relay->stop(kLong);
  EXPECT_EQ(metrics_.get(Metric::kAlertsSent), 1'024U);
  EXPECT_EQ(metrics_.get(Metric::kRelayQueue), 0U);

  b_.block(true);
  const auto other = this->relay({&b_}, kNever);
  Alert large = unstored();
  large.term.value.assign(1'000'000, 'v');
  for (sent = 0; other->send_unstored(large);)
    ++sent;
  EXPECT_EQ(sent, 8);
  b_.block(false);
}

TEST_F(RelayTest, UnstoredAlertsOfOneSinkGiveWayForAnother) {
  b_.fail_with(ENOSPC);
  const auto relay = this->relay({&a_, &b_}, kNever);
  for (int i = 0; i < 2'000; ++i) {
    ASSERT_TRUE(relay->send_unstored(unstored())) << i;
    a_.wait_for_taken(static_cast<size_t>(i) + 1);
    // Its having been taken is known a moment later.
    while (metrics_.get(Metric::kAlertsSent) < static_cast<uint64_t>(i) + 1)
      std::this_thread::yield();
  }
  EXPECT_EQ(metrics_.get(Metric::kDeliveryErrors), 1U + 2'000 - 1'024);
  b_.fail_with(0);
  relay->reopen();
  EXPECT_EQ(b_.wait_for_taken(1'024).size(), 1'024U);
}

TEST_F(RelayTest, StopSendsWhatIsReady) {
  a_.block(true);
  const auto relay = this->relay({&a_}, kNever);
  store_and_wake(*relay, 5);
  relay->send_event(sample_alert().event);
  a_.wait_for_attempts(1);
  auto stopped = std::async(std::launch::async, [&] { relay->stop(kLong); });
  a_.block(false);
  stopped.get();
  EXPECT_EQ(persist(), 5);
  EXPECT_EQ(a_.taken().size(), 6U);
  EXPECT_FALSE(relay->send_unstored(unstored()));
}

TEST_F(RelayTest, StopGivesASinkThatFailedOneMoreChance) {
  a_.fail_with(EIO);
  const auto relay = this->relay({&a_}, kNever);
  store_and_wake(*relay, 1);
  a_.wait_for_attempts(1);
  a_.fail_with(0);
  relay->stop(kLong);
  EXPECT_EQ(persist(), 1);
}

TEST_F(RelayTest, StopEndsAtItsDeadline) {
  a_.fail_with(EIO);
  const auto relay = this->relay({&a_}, kNever);
  store_and_wake(*relay, 1);
  a_.wait_for_attempts(1);
  relay->stop(20);  // hangs if the deadline is not kept
  EXPECT_EQ(persist(), 0);
  relay->stop(20);
}

}  // namespace
}  // namespace preload
