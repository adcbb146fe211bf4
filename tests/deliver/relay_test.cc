// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/relay.h"

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "samples.h"

namespace preload {
namespace {

// What happens on the relay's thread, for the test's thread to wait for.
class Journal {
 public:
  void acknowledge(std::span<const int64_t> ids) {
    const std::lock_guard lock(mutex_);
    acknowledged_.insert(acknowledged_.end(), ids.begin(), ids.end());
    ++calls_;
    changed_.notify_all();
  }
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
  std::vector<int64_t> wait_for_acknowledged(size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return acknowledged_.size() >= n; });
    return acknowledged_;
  }
  // The next call of Acknowledge, whatever was in it.
  void wait_for_call(int after) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_ > after; });
  }
  int calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  std::vector<int64_t> taken() { return wait_for_taken(0); }
  std::vector<int64_t> acknowledged() { return wait_for_acknowledged(0); }
  void reopen() {
    const std::lock_guard lock(mutex_);
    error_ = 0;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int64_t> acknowledged_;
  std::vector<int64_t> taken_;
  int calls_ = 0;
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

Alert numbered(int64_t id) {
  Alert alert = sample_alert();
  alert.alert_id = id;
  alert.raised_at_us += id;
  return alert;
}

using Ids = std::vector<int64_t>;
constexpr Backoff kQuick{1, 1};
constexpr Backoff kNever{3'600'000, 3'600'000};
constexpr int64_t kLong = 60'000;

class RelayTest : public testing::Test {
 protected:
  static Relay::Sinks sinks(std::initializer_list<Journal*> journals) {
    Relay::Sinks list;
    for (Journal* journal : journals)
      list.push_back(std::make_unique<JournalSink>(
          "sink" + std::to_string(list.size()), *journal));
    return list;
  }
  std::unique_ptr<Relay> relay(std::initializer_list<Journal*> journals,
                               Backoff backoff) {
    return std::make_unique<Relay>(
        sinks(journals),
        [this](std::span<const int64_t> ids) { outbox_.acknowledge(ids); },
        metrics_, clock_, backoff);
  }

  Journal outbox_, a_, b_;
  Metrics metrics_;
  SystemClock clock_;
};

TEST_F(RelayTest, DeliversAndAcknowledges) {
  const auto relay = this->relay({&a_, &b_}, kNever);
  for (int64_t id = 1; id <= 3; ++id)
    ASSERT_TRUE(relay->try_send(numbered(id)));
  EXPECT_EQ(outbox_.wait_for_acknowledged(3), (Ids{1, 2, 3}));
  EXPECT_EQ(a_.taken(), (Ids{1, 2, 3}));
  EXPECT_EQ(b_.taken(), (Ids{1, 2, 3}));
  relay->stop(kLong);
  EXPECT_EQ(metrics_.get(Metric::kRelayQueue), 0U);
  EXPECT_GE(metrics_.get(Metric::kRelayQueueHighWater), 1U);
  EXPECT_EQ(metrics_.latency().count, 3U);
}

TEST_F(RelayTest, TriesAgainByItself) {
  a_.fail_with(ECONNREFUSED);
  const auto relay = this->relay({&a_}, kQuick);
  ASSERT_TRUE(relay->try_send(numbered(1)));
  a_.wait_for_attempts(3);
  EXPECT_TRUE(outbox_.acknowledged().empty());
  a_.fail_with(0);
  EXPECT_EQ(outbox_.wait_for_acknowledged(1), Ids{1});
}

TEST_F(RelayTest, ReopenEndsTheWait) {
  a_.fail_with(EACCES);
  const auto relay = this->relay({&a_}, kNever);
  ASSERT_TRUE(relay->try_send(numbered(1)));
  a_.wait_for_attempts(1);
  relay->reopen();
  EXPECT_EQ(outbox_.wait_for_acknowledged(1), Ids{1});
}

TEST_F(RelayTest, OtherSinksGetWhatIsQueued) {
  a_.fail_with(EACCES);
  const auto relay = this->relay({&a_}, kNever);
  ASSERT_TRUE(relay->try_send(numbered(1)));
  a_.wait_for_attempts(1);
  relay->set_sinks(sinks({&b_}));
  EXPECT_EQ(outbox_.wait_for_acknowledged(1), Ids{1});
  EXPECT_EQ(b_.taken(), Ids{1});
}

TEST_F(RelayTest, EventsAreDeliveredAndOverflowIsCounted) {
  a_.block(true);
  const auto relay = this->relay({&a_}, kNever);
  ASSERT_TRUE(relay->try_send(numbered(1)));
  a_.wait_for_attempts(1);  // its thread is in the sink now
  for (int i = 0; i < 1'100; ++i)
    relay->send_event(sample_alert().event);
  EXPECT_EQ(metrics_.get(Metric::kDeliveryErrors), 76U);
  a_.block(false);
  EXPECT_EQ(a_.wait_for_taken(1'025).size(), 1'025U);
}

TEST_F(RelayTest, AFullQueueRefusesAndSaysWhenThereIsRoom) {
  a_.block(true);
  const auto relay = this->relay({&a_}, kNever);
  int64_t id = 0;
  while (relay->try_send(numbered(id + 1)))
    ++id;
  EXPECT_EQ(id, 1'024);
  EXPECT_EQ(metrics_.get(Metric::kRelayQueueHighWater), 1'024U);
  a_.block(false);
  outbox_.wait_for_acknowledged(1'024);
  EXPECT_TRUE(relay->try_send(numbered(id + 1)));
  EXPECT_EQ(outbox_.wait_for_acknowledged(1'025).back(), 1'025);
}

TEST_F(RelayTest, BytesAreBoundedToo) {
  a_.block(true);
  const auto relay = this->relay({&a_}, kNever);
  Alert alert = numbered(1);
  alert.term.value.assign(1'000'000, 'v');
  int taken = 0;
  while (relay->try_send(alert))
    ++taken;
  EXPECT_EQ(taken, 8);
  a_.block(false);
}

TEST_F(RelayTest, ASinkOutOfOrderForLongDoesNotStopTheOthers) {
  b_.fail_with(ENOSPC);
  const auto relay = this->relay({&a_, &b_}, kNever);
  constexpr int64_t kAll = 3'000;
  std::set<int64_t> acknowledged;
  int64_t cursor = 0;
  // What the store's thread does with its outbox.
  const auto offer = [&] {
    for (const int64_t id : outbox_.acknowledged())
      acknowledged.insert(id);
    if (const auto after = relay->take_rewind())
      cursor = std::min(cursor, *after);
    while (cursor < kAll) {
      if (acknowledged.count(cursor + 1) == 0 &&
          !relay->try_send(numbered(cursor + 1)))
        return false;
      ++cursor;
    }
    return true;
  };
  const auto offer_all = [&] {
    for (int calls = outbox_.calls(); !offer(); calls = outbox_.calls())
      outbox_.wait_for_call(calls);
  };
  offer_all();
  EXPECT_EQ(a_.wait_for_taken(kAll).size(), static_cast<size_t>(kAll));
  EXPECT_TRUE(outbox_.acknowledged().empty());

  int calls = outbox_.calls();
  b_.fail_with(0);
  relay->reopen();
  outbox_.wait_for_call(calls);
  EXPECT_FALSE(relay->try_send(numbered(kAll + 1)));  // not before the rewind
  offer_all();
  while (static_cast<int64_t>(acknowledged.size()) < kAll) {
    outbox_.wait_for_acknowledged(acknowledged.size() + 1);
    offer_all();
  }
  Ids all;
  for (int64_t id = 1; id <= kAll; ++id)
    all.push_back(id);
  EXPECT_EQ(a_.taken(), all);
  EXPECT_EQ(b_.taken(), all);
}

TEST_F(RelayTest, StopSendsWhatIsQueued) {
  a_.block(true);
  const auto relay = this->relay({&a_}, kNever);
  for (int64_t id = 1; id <= 5; ++id)
    ASSERT_TRUE(relay->try_send(numbered(id)));
  relay->send_event(sample_alert().event);
  a_.wait_for_attempts(1);
  auto stopped = std::async(std::launch::async, [&] { relay->stop(kLong); });
  a_.block(false);
  stopped.get();
  EXPECT_EQ(outbox_.acknowledged(), (Ids{1, 2, 3, 4, 5}));
  EXPECT_EQ(a_.taken().size(), 6U);
  EXPECT_FALSE(relay->try_send(numbered(6)));
}

TEST_F(RelayTest, StopWithAnEventInTheLastBatchDoesNotWaitForItsDeadline) {
  a_.block(true);
  const auto relay = this->relay({&a_}, kNever);
  ASSERT_TRUE(relay->try_send(numbered(1)));
  a_.wait_for_attempts(1);
  relay->send_event(sample_alert().event);
  const auto begun = std::chrono::steady_clock::now();
  auto stopped = std::async(std::launch::async, [&] { relay->stop(kLong); });
  for (int64_t id = 2; relay->try_send(numbered(id)); ++id)
    std::this_thread::yield();
  a_.block(false);
  stopped.get();
  EXPECT_LT(std::chrono::steady_clock::now() - begun,
            std::chrono::milliseconds(kLong / 2));
}

TEST_F(RelayTest, StopGivesASinkThatFailedOneMoreChance) {
  a_.fail_with(EIO);
  const auto relay = this->relay({&a_}, kNever);
  ASSERT_TRUE(relay->try_send(numbered(1)));
  a_.wait_for_attempts(1);
  a_.fail_with(0);
  relay->stop(kLong);
  EXPECT_EQ(outbox_.acknowledged(), Ids{1});
}

TEST_F(RelayTest, StopEndsAtItsDeadline) {
  a_.fail_with(EIO);
  const auto relay = this->relay({&a_}, kNever);
  ASSERT_TRUE(relay->try_send(numbered(1)));
  a_.wait_for_attempts(1);
  relay->stop(20);  // hangs if the deadline is not kept
  EXPECT_TRUE(outbox_.acknowledged().empty());
  relay->stop(20);
}

}  // namespace
}  // namespace preload
