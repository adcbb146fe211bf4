// SPDX-License-Identifier: Apache-2.0
#include "preload/base/digest.h"

#include <string>
#include <unordered_set>
#include <utility>

#include <gtest/gtest.h>

namespace preload {
namespace {

TEST(Digest, AgreesWithTheStandard) {  // FIPS 180-2, appendix B
  EXPECT_EQ(hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Digest, IsReadyForTheNextMessageAfterFinish) {
  Sha256 sha;
  for (int round = 0; round < 3; ++round) {
    sha.update("a");
    sha.update("bc");
    EXPECT_EQ(sha.finish(), sha256("abc"));
  }
  Sha256 moved = std::move(sha);
  EXPECT_EQ(moved.finish(), sha256(""));
}

TEST(Digest, SizedPiecesKeepTheirBorders) {
  Sha256 sha;
  std::unordered_set<Digest, DigestHash> seen;
  for (const auto& [first, second] :
       {std::pair{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}}) {
    sha.update_sized(first);
    sha.update_sized(second);
    EXPECT_TRUE(seen.insert(sha.finish()).second) << first << "|" << second;
  }
}

}  // namespace
}  // namespace preload
