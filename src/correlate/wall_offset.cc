// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/wall_offset.h"

#include <algorithm>
#include <cstdlib>

namespace preload {
namespace {

constexpr int64_t kStepUs = 100'000;

}  // namespace

WallOffset::WallOffset(const Clock& clock)
    : clock_(clock), now_us_(measure()), before_us_(now_us_) {}

int64_t WallOffset::measure() const {
  return clock_.wall_us() - clock_.monotonic_ns() / kNanosPerMicro;
}

void WallOffset::update(int64_t memory_ns) {
  const int64_t offset = measure();
  const int64_t now_ns = clock_.monotonic_ns();
  if (std::abs(offset - now_us_) > kStepUs) {
    before_us_ = now_us_;
    stepped_ns_ = now_ns;
  } else if (now_ns - stepped_ns_ > memory_ns) {
    before_us_ = offset;
  }
  now_us_ = offset;
}

int64_t WallOffset::set_back_us() const {
  return std::max<int64_t>(0, before_us_ - now_us_);
}

}  // namespace preload
