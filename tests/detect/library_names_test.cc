// SPDX-License-Identifier: Apache-2.0
#include "preload/detect/library_names.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace preload {
namespace {

using Names = std::vector<std::string>;

constexpr std::string_view kPlatform = "x86_64";

TEST(LibraryNames, SeparatorsAreTheVariables) {
  EXPECT_EQ(library_names("LD_PRELOAD", "/a.so b.so::/c.so \t"),
            (Names{"/a.so", "b.so", "/c.so", "\t"}));
  EXPECT_EQ(library_names("LD_AUDIT", "/a b.so:/c.so"),
            (Names{"/a b.so", "/c.so"}));
  EXPECT_EQ(library_names("ld.so.preload", "/a.so"), Names{"/a.so"});
  EXPECT_EQ(library_names("LD_LIBRARY_PATH", "/opt"), Names{});
  EXPECT_EQ(library_names("LD_PRELOAD", ""), Names{});
}

TEST(LibraryNames, AreBounded) {
  std::string value;
  for (int i = 0; i < 10'000; ++i)
    value += "/" + std::to_string(i) + ":";
  EXPECT_EQ(library_names("LD_PRELOAD", value).size(), kMaxLibraries);
  EXPECT_LE(library_candidates("x.so", "/o", {value, value}, kPlatform).size(),
            64U);
}

TEST(LibraryNames, TokensAreExpanded) {
  EXPECT_EQ(library_candidates("$ORIGIN/../x.so", "/opt/bin", {}, kPlatform),
            Names{"/opt/bin/../x.so"});
  EXPECT_EQ(library_candidates("${ORIGIN}x/y.so", "/opt/bin", {}, kPlatform),
            Names{"/opt/binx/y.so"});
  EXPECT_EQ(library_candidates("$ORIGINx/y.so", "/opt/bin", {}, kPlatform),
            Names{"$ORIGINx/y.so"});
  EXPECT_EQ(library_candidates("/a$/${ORIGIN/$", "/opt/bin", {}, kPlatform),
            Names{"/a$/${ORIGIN/$"});
  const Names lib = library_candidates("/usr/$LIB/x.so", "", {}, kPlatform);
  EXPECT_EQ(lib, (Names{"/usr/lib/x86_64-linux-gnu/x.so", "/usr/lib64/x.so",
                        "/usr/lib/x.so"}));
  EXPECT_EQ(library_candidates("/$PLATFORM/x.so", "", {}, kPlatform),
            Names{"/x86_64/x.so"});
}

TEST(LibraryNames, SearchGoesThroughLibraryPathFirst) {
  const Names found = library_candidates("x.so", "/opt/bin",
                                         {"/one;$ORIGIN:", "/two"}, kPlatform);
  ASSERT_GT(found.size(), 4U);
  EXPECT_EQ(Names(found.begin(), found.begin() + 4),
            (Names{"/one/x.so", "/opt/bin/x.so", "./x.so", "/two/x.so"}));
  EXPECT_NE(std::find(found.begin(), found.end(), "/usr/lib/x.so"),
            found.end());
}

}  // namespace
}  // namespace preload
