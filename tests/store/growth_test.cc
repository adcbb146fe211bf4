// SPDX-License-Identifier: Apache-2.0
// The history grows with what is new, not with what runs.
#include <gtest/gtest.h>

#include "support/store_helper.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

int64_t bytes_of(const std::string& path) {
  int64_t bytes = 0;
  for (const char* suffix : {"", "-wal"})
    bytes += static_cast<int64_t>(std::filesystem::file_size(path + suffix));
  return bytes;
}

TEST(Growth, AMillionExecsOfKnownValuesStayBelowTwoMegabytes) {
  constexpr int kValues = 100;
  constexpr int kPrograms = 50;
  constexpr int kExecs = 1'000'000;
  constexpr int64_t kSecond = 1'000'000;
  FakeClock clock;
  TempDir dir(memory_directory());
  const std::string path = dir / "history.db";
  auto store = must(Store::open(path, clock));

  std::vector<ExecEvent> events;
  std::vector<Decision> decisions;
  for (int value = 0; value < kValues; ++value) {
    const std::string library =
        "/opt/vendor/lib/libpreloaded-" + std::to_string(value) + ".so";
    decisions.push_back(decision(library, Verdict::kNew));
    events.push_back(exec_event(library));
  }
  std::vector<std::string> programs;
  for (int program = 0; program < kPrograms; ++program)
    programs.push_back("/usr/lib/vendor/bin/program-" +
                       std::to_string(program));
  for (int i = 0; i < kExecs; ++i) {
    ExecEvent& event = events[static_cast<size_t>(i % kValues)];
    Decision& made = decisions[static_cast<size_t>(i % kValues)];
    event.executable = programs[static_cast<size_t>(i / kValues % kPrograms)];
    event.time_us += kSecond;
    must(store->begin());
    must(store->terms().last_counted(made.term.digest));
    must(store->record(shared(event), {&made, 1}, kMark));
    must(store->commit());
    made.verdict = Verdict::kKnown;
    if (i % 20'000 == 0) {
      must(store->flush());
      must(store->maintain());
    }
  }
  must(store->flush());
  must(store->maintain());
  EXPECT_LT(bytes_of(path), 2'000'000);
  EXPECT_EQ(value_of(path, "SELECT sum(seen_count) FROM term"), "1000000");
  EXPECT_EQ(value_of(path, "SELECT sum(seen_count) FROM sighting"), "1000000");
  EXPECT_EQ(value_of(path, "SELECT count(*) FROM sighting"), "5000");
  store.reset();
  EXPECT_LT(bytes_of(path), 2'000'000);
}

}  // namespace
}  // namespace preload
