// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/own_maps.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/process.h"
#include "support/temp_dir.h"

namespace preload {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A program at 0x1000 that needs liba, which needs libc; and libx, which nobody
// needs.
std::vector<LoadedObject> objects() {
  return {{0x1000, "", "ld.so", {"liba.so.1"}},
          {0x2000, "liba.so.1", "", {"libc.so.6"}},
          {0x3000, "libc.so.6", "", {"ld.so"}},
          {0x4000, "libx.so", "", {"libc.so.6"}},
          {0x5000, "ld.so", "", {}}};
}

std::string map_of(const std::string& range, const std::string& path,
                   const std::string& perms = "r-xp") {
  return range + " " + perms + " 00000000 08:01 42                  " + path +
         "\n";
}

// Files of root's that are there wherever tests run.
const std::string kLibc = [] {
  for (const std::string& line : lines_of(content_of("/proc/self/maps")))
    if (line.find("/libc.so.6") != std::string::npos)
      return line.substr(line.find('/'));
  return std::string();
}();

TEST(OwnMaps, TakesWhatTheProgramNeeds) {
  EXPECT_THAT(foreign_libraries(map_of("1000-1fff", "/usr/sbin/plugin") +
                                    map_of("3000-3fff", kLibc) +
                                    map_of("9000-9fff", "[vdso]") +
                                    map_of("a000-afff", "/x/data", "rw-p"),
                                objects()),
              IsEmpty());
}

TEST(OwnMaps, NamesWhatNobodyNeedsAndWhatIsNotLoaded) {
  EXPECT_THAT(
      foreign_libraries(map_of("4000-4fff", "/usr/lib/libx.so"), objects()),
      ElementsAre("/usr/lib/libx.so (no library of ours needs it)"));
  EXPECT_THAT(
      foreign_libraries(map_of("7000-7fff", "/usr/lib/liby.so"), objects()),
      ElementsAre(HasSubstr("loader has not loaded it")));
}

TEST(OwnMaps, NamesWhatStandsInThePlaceOfALibrary) {
  const auto of = [](const std::string& path) {
    return foreign_libraries(map_of("3000-3fff", path), objects());
  };
  EXPECT_THAT(of("/tmp/libc.so.6"), ElementsAre(HasSubstr("library folder")));
  EXPECT_THAT(of("/libevil/libc.so.6"),
              ElementsAre(HasSubstr("library folder")));
  EXPECT_THAT(of(kLibc + " (deleted)"), ElementsAre(HasSubstr("is gone")));
  EXPECT_THAT(of("/usr/lib/no/libc.so.6"), ElementsAre(HasSubstr("is gone")));
}

TEST(OwnMaps, LooksAtTheRealProcess) {
  const auto before = look_at_ourselves();
  EXPECT_THAT(before, IsEmpty()) << in_words(before);
  EXPECT_EQ(in_words(before), "");
  const TempDir dir;
  const std::string copy = dir / "libresolv.so.2";
  std::string original =
      (std::filesystem::path(kLibc).parent_path() / "libresolv.so.2").string();
  if (!std::filesystem::exists(original))
    GTEST_SKIP() << "no library to load here";
  std::filesystem::copy_file(original, copy);
  void* handle = ::dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(handle, nullptr);
  EXPECT_THAT(look_at_ourselves(), ElementsAre(HasSubstr(copy)));
  ::dlclose(handle);
}

}  // namespace
}  // namespace preload
