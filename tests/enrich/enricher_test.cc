// SPDX-License-Identifier: Apache-2.0
#include "preload/enrich/enricher.h"

#include <unistd.h>

#include <fstream>

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace preload {
namespace {

Alert alert_for(int64_t id, const std::string& library) {
  Alert alert;
  alert.alert_id = id;
  alert.term.variable = "LD_PRELOAD";
  alert.term.value = library;
  alert.event.env = {{"LD_PRELOAD", library}};
  alert.event.pid = ::getpid();
  alert.event.uid = 0;
  return alert;
}

TEST(Enricher, FindsLibraryAndUser) {
  const TempDir dir;
  std::ofstream(dir / "x.so") << "library";
  Enricher inspector;
  inspector.submit(alert_for(1, dir / "x.so"));
  const auto found = inspector.finish(1);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->user, "root");
  EXPECT_EQ(found->login_user, "");
  ASSERT_EQ(found->facts.libraries.size(), 1U);
  EXPECT_TRUE(found->facts.libraries[0].exists);
  EXPECT_EQ(found->facts.libraries[0].size, 7U);
}

TEST(Enricher, KnowsNothingOfWhatWasNotSubmitted) {
  Enricher inspector;
  EXPECT_FALSE(inspector.finish(1));
  inspector.submit(alert_for(0, "/x.so"));
  EXPECT_FALSE(inspector.finish(0));
}

TEST(Enricher, WhatNobodyWaitsForIsNotDone) {
  const TempDir dir;
  std::ofstream(dir / "x.so") << std::string(size_t{8} << 20, 'x');
  Enricher inspector;
  for (int64_t id = 1; id <= 3000; ++id) {
    inspector.submit(alert_for(id, dir / "x.so"));
    inspector.forget(id);
  }
  EXPECT_EQ(inspector.queued(), 0U);
}

TEST(Enricher, NamesAreKnownTheNextTime) {
  Enricher inspector;
  EXPECT_EQ(inspector.name_if_known(0), "");
  for (int i = 0; i < 500 && inspector.name_if_known(0).empty(); ++i)
    ::usleep(10'000);
  EXPECT_EQ(inspector.name_if_known(0), "root");
  EXPECT_EQ(inspector.name_if_known(kUnsetId), "");
}

}  // namespace
}  // namespace preload
