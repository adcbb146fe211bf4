// SPDX-License-Identifier: Apache-2.0
// Environments in pieces of any size, against the obvious implementation on
// the whole block. The first bytes decide the pieces and the space there is.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.h"
#include "preload/capture/environ_scanner.h"

namespace preload {
namespace {

constexpr size_t kLongestName = 256;  // environ_scanner.h: never watched

struct Found {
  std::vector<EnvVar> env;
  uint64_t pairs = 0;
  bool truncated = false;
  bool operator==(const Found&) const = default;
};

bool watched(std::string_view name) {
  return name.size() <= kLongestName &&
         (name == "LD_PRELOAD" || name == "A" || name.starts_with("LD_L"));
}

Found by_hand(std::string_view block, size_t space) {
  Found found;
  size_t used = kSnapshotHeader;
  while (!block.empty()) {
    const std::string_view one = block.substr(0, block.find('\0'));
    block.remove_prefix(std::min(one.size() + 1, block.size()));
    // A name has one byte at least, which may even be '='.
    const size_t equals = one.find('=', 1);
    const bool pair = !one.empty() && (one[0] == '=' || equals != one.npos);
    if (one.empty() || !pair)
      continue;
    ++found.pairs;
    if (equals == one.npos || !watched(one.substr(0, equals)))
      continue;
    if (used + kSectionHeader + one.size() > space) {
      found.truncated = true;
      continue;
    }
    used += kSectionHeader + one.size();
    found.env.push_back({std::string(one.substr(0, equals)),
                         std::string(one.substr(equals + 1))});
  }
  return found;
}

Found by_scanner(std::string_view block, size_t space, size_t piece) {
  static const WatchList kWatched(
      std::vector<std::string>{"LD_PRELOAD", "A", "LD_L*"});
  std::vector<std::byte> memory(space);
  SnapshotWriter out(memory);
  EnvironScanner scanner(kWatched, out);
  for (size_t at = 0; at < block.size(); at += piece) {
    // A copy of its own: a read beyond the piece is an error.
    const std::string_view part = block.substr(at, piece);
    const std::vector<char> copy(part.begin(), part.end());
    scanner.feed({copy.data(), copy.size()});
  }
  scanner.finish();
  const size_t length = out.finish(SnapshotKind::kWatched, 1, 2);
  check(length <= space, "the message is within its space");
  const ExecSnapshot snapshot =
      *parse_notice(std::span(memory).first(length))->snapshot;
  return {snapshot.env, scanner.pairs(), snapshot.env_truncated};
}

}  // namespace

void fuzz_one(std::string_view input) {
  const size_t piece = size_t{take_byte(input)} + 1;
  const size_t space = kSnapshotHeader + size_t{take_byte(input)} * 16;
  const Found expected = by_hand(input, space);
  const Found whole =
      by_scanner(input, space, std::max<size_t>(input.size(), 1));
  const Found pieces = by_scanner(input, space, piece);
  check(whole == pieces, "pieces make no difference");
  check(pieces.env == expected.env, "every watched string and no other");
  check(pieces.truncated == expected.truncated, "what did not fit is told");
  check(pieces.pairs == expected.pairs, "NAME=value strings are counted");
}

}  // namespace preload
