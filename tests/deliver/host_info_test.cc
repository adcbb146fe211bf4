// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/host_info.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "preload/base/clock.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

TEST(HostInfo, ReadsTheFilesOfTheSystem) {
  const TempDir dir;
  std::filesystem::create_directories(dir / "etc");
  std::filesystem::create_directories(dir / "proc/sys/kernel/random");
  std::ofstream(dir / "etc/machine-id") << "0123abcd\n";
  std::ofstream(dir / "proc/sys/kernel/random/boot_id") << "b-o-o-t\n";
  std::ofstream(dir / "etc/os-release")
      << "# comment\nPRETTY_NAME=\"Rocky Linux 9\"\nNAME='Rocky Linux'\n"
         "VERSION_ID=\"9.3\"\nID=rocky\nID_LIKE=\"rhel centos fedora\"\n\n";
  const HostInfo host = gather_host_info(dir.path());
  EXPECT_EQ(host.id, "0123abcd");
  EXPECT_EQ(host.boot_id, "b-o-o-t");
  EXPECT_EQ(host.os_platform, "rocky");
  EXPECT_EQ(host.os_family, "rhel");
  EXPECT_EQ(host.os_name, "Rocky Linux");
  EXPECT_EQ(host.os_version, "9.3");
  EXPECT_EQ(host.os_full, "Rocky Linux 9");
}

TEST(HostInfo, WhatIsNotThereIsEmpty) {
  const TempDir dir;
  const HostInfo host = gather_host_info(dir.path());
  EXPECT_TRUE(host.id.empty());
  EXPECT_TRUE(host.os_family.empty());
  EXPECT_FALSE(host.hostname.empty());
  EXPECT_FALSE(host.architecture.empty());
}

TEST(HostInfo, DatesTheBoot) {
  const HostInfo host = gather_host_info();
  std::ifstream stat("/proc/stat");
  std::string word;
  int64_t btime = 0;
  while (stat >> word)
    if (word == "btime")
      stat >> btime;
  ASSERT_GT(btime, 0);
  EXPECT_LE(std::abs(host.boot_us - btime * kMicrosPerSecond),
            2 * kMicrosPerSecond);
}

}  // namespace
}  // namespace preload
