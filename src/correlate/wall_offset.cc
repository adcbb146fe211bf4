// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/wall_offset.h"

#include <limits>

namespace preload {
namespace {

// Readings of the two clocks are so far apart at most, unless somebody else
// had the CPU each time.
constexpr int64_t kApartNs = 20 * kNanosPerMicro;
constexpr int kTries = 5;

}  // namespace

WallOffset::WallOffset(const Clock& clock)
    : clock_(clock),
      now_us_(measure()),
      before_us_(now_us_),
      before_ns_(clock.monotonic_ns()) {}

int64_t WallOffset::measure() const {
  int64_t offset_us = 0;
  int64_t apart_ns = std::numeric_limits<int64_t>::max();
  for (int i = 0; i < kTries && apart_ns > kApartNs; ++i) {
    const int64_t begin_ns = clock_.monotonic_ns();
    const int64_t wall_us = clock_.wall_us();
    const int64_t end_ns = clock_.monotonic_ns();
    if (end_ns - begin_ns >= apart_ns)
      continue;
    apart_ns = end_ns - begin_ns;
    offset_us = wall_us - (begin_ns + apart_ns / 2) / kNanosPerMicro;
  }
  return offset_us;
}

void WallOffset::update(int64_t memory_ns) {
  now_us_ = measure();
  const int64_t now_ns = clock_.monotonic_ns();
  if (now_us_ >= before_us_ || now_ns - before_ns_ > memory_ns) {
    before_us_ = now_us_;
    before_ns_ = now_ns;
  }
}

}  // namespace preload
