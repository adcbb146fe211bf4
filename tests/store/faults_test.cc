// SPDX-License-Identifier: Apache-2.0
// A disk that fails at its Nth write: what was committed stays, what was not is
// told, and the store goes on when the disk does.
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "preload/store/history_reader.h"
#include "support/faulty_vfs.h"
#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

// Of what the store said yes to.
struct Promised {
  std::set<std::string> terms;
  std::set<int64_t> alerts;
  std::map<std::string, int64_t> counts;
};

std::string value_number(int i) {
  return "/tmp/" + std::to_string(i) + ".so";
}

// One transaction as the daemon makes them: decide, record, commit.
Status one_event(Store& store, int i, Promised& promised) {
  const std::string value = value_number(i % 12);
  const bool known = promised.terms.contains(value);
  const Decision made =
      decision(value, known ? Verdict::kKnown : Verdict::kNew);
  std::vector<Alert> raised;
  Status done = store.begin();
  if (done) {
    auto alerts = store.record(shared(exec_event(value, i + 1, kEventTime + i)),
                               {&made, 1}, kMark);
    if (alerts)
      raised = std::move(*alerts);
    else
      done = tl::unexpected(alerts.error());
  }
  if (done)
    done = store.commit();
  if (!done) {
    store.rollback();
    return done;
  }
  promised.terms.insert(value);
  ++promised.counts[value];
  for (const Alert& alert : raised)
    promised.alerts.insert(alert.alert_id);
  return {};
}

void expect_kept(const std::string& path, const Promised& promised) {
  std::set<std::string> terms;
  for (const auto& row : rows(path, "SELECT value, seen_count FROM term")) {
    terms.insert(row[0]);
    EXPECT_EQ(std::stoll(row[1]), promised.counts.at(row[0])) << row[0];
  }
  EXPECT_EQ(terms, promised.terms);
  std::set<int64_t> alerts;
  for (const auto& row : rows(path, "SELECT alert_id FROM alert"))
    alerts.insert(std::stoll(row[0]));
  EXPECT_EQ(alerts, promised.alerts);
  EXPECT_EQ(value_of(path, "SELECT value FROM meta WHERE key = 'terms'"),
            std::to_string(promised.terms.size()));
  must(must(HistoryReader::open(path)).check_integrity());
}

// False when the fault came later than all writes.
bool run_with_fault(int64_t nth, FaultyDisk::Fault fault, bool lasting) {
  FaultyDisk disk;
  FakeClock clock;
  TempDir dir(memory_directory());
  const std::string path = dir / "history.db";
  auto store = must(Store::open(path, clock));
  Promised promised;
  disk.fail_at(nth, fault, lasting);
  int failed = 0;
  for (int i = 0; i < 30; ++i) {
    failed += one_event(*store, i, promised) ? 0 : 1;
    if (i % 7 == 6)
      failed += store->flush() ? 0 : 1;
    if (i % 10 == 9)
      failed += store->maintain() ? 0 : 1;
  }
  const bool met = disk.met();
  if (lasting && met) {
    EXPECT_GT(failed, 0) << nth;
  }
  disk.mend();
  // All of it once more: what failed is new still, and gets in now.
  for (int i = 30; i < 60; ++i)
    must(one_event(*store, i, promised));
  must(store->flush());
  expect_kept(path, promised);
  store.reset();
  store = must(Store::open(path, clock));
  store.reset();
  expect_kept(path, promised);
  return met;
}

TEST(Faults, TheNthWriteFailsOnce) {
  int64_t nth = 1;
  while (run_with_fault(nth, FaultyDisk::Fault::kIoError, false)) {
    ++nth;
    if (testing::Test::HasFailure())
      FAIL() << "at write " << nth;
  }
  EXPECT_GT(nth, 30);
}

TEST(Faults, TheDiskIsFullFromTheNthWriteOn) {
  int64_t nth = 1;
  while (run_with_fault(nth, FaultyDisk::Fault::kFull, true)) {
    nth += 3;
    if (testing::Test::HasFailure())
      FAIL() << "at write " << nth;
  }
  EXPECT_GT(nth, 30);
}

TEST(Faults, AnInterruptedCreationIsFinishedLater) {
  int64_t nth = 1;
  for (bool met = true; met; ++nth) {
    TempDir dir(memory_directory());
    const std::string path = dir / "history.db";
    FakeClock clock;
    FaultyDisk disk;
    disk.fail_at(nth, FaultyDisk::Fault::kIoError, true);
    { const auto store = Store::open(path, clock); }
    met = disk.met();
    disk.mend();
    const auto store = Store::open(path, clock);
    ASSERT_TRUE(store) << nth << ": " << store.error().message();
    EXPECT_FALSE(must((*store)->reached(Milestone::kBaselineTaken)));
    EXPECT_EQ(record(**store, exec_event("x"), Verdict::kNew).size(), 1U);
  }
  EXPECT_GT(nth, 5);
}

TEST(Faults, CountsWaitWithinABoundWhileTheDiskIsFull) {
  FaultyDisk disk;
  FakeClock clock;
  TempDir dir;
  const std::string path = dir / "history.db";
  const auto store = must(Store::open(path, clock));
  constexpr int kTerms = 20'000;
  must(store->begin());
  for (int i = 0; i < kTerms; ++i)
    record(*store, exec_event(value_number(i)), Verdict::kLearned);
  must(store->commit());
  disk.fail_at(1, FaultyDisk::Fault::kFull, true);
  int taken = 0;
  int refused = 0;
  for (int i = 0; i < kTerms; ++i) {
    const Decision made = decision(value_number(i), Verdict::kKnown);
    if (store->begin()) {
      must(store->record(shared(exec_event(value_number(i))), {&made, 1},
                         kMark));
      must(store->commit());
      ++taken;
    } else if (++refused == 5) {
      break;
    }
  }
  EXPECT_GT(refused, 0) << "memory has a bound";
  EXPECT_GT(taken, 10'000);
  disk.mend();
  must(store->flush());
  EXPECT_EQ(value_of(path, "SELECT sum(seen_count) FROM term"),
            std::to_string(kTerms + taken));
}

TEST(Faults, KilledAtAnyMomentItKeepsWhatItPromised) {
  TempDir dir;
  const std::string path = dir / "history.db";
  const std::string told = dir / "told";
  for (int round = 0; round < 15; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      FakeClock clock;
      auto store = Store::open(path, clock);
      if (!store)
        ::_exit(3);
      std::ofstream list(told, std::ios::app);
      for (int i = 0;; ++i) {
        const auto alerts = record(
            **store, exec_event(value_number(1000 * round + i)), Verdict::kNew);
        list << alerts.at(0).alert_id << std::endl;
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(60 + 13 * round));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;
  }
  FakeClock clock;
  const auto store = must(Store::open(path, clock));
  std::set<std::string> kept;
  for (const auto& row : rows(path, "SELECT alert_id FROM recent_alerts"))
    kept.insert(row[0]);
  std::ifstream list(told);
  int promised = 0;
  for (std::string id; std::getline(list, id); ++promised)
    EXPECT_TRUE(kept.contains(id)) << id;
  EXPECT_GT(promised, 0);
  must(must(HistoryReader::open(path)).check_integrity());
}

}  // namespace
}  // namespace preload
