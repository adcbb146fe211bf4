// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/preload_file_watch.h"

#include <algorithm>
#include <utility>

#include "preload/base/config.h"

namespace preload {
namespace {

// After the watch has fired: soon, and when a writer should be done.
constexpr int64_t kSoonNs = 200 * kNanosPerMilli;
constexpr int64_t kWhileFiredNs = 2 * kNanosPerSecond;
constexpr int64_t kFiredForNs = 20 * kNanosPerSecond;
constexpr int64_t kGiveAgainNs = kDay * kNanosPerSecond;

}  // namespace

void PreloadFileWatch::fired(ExecEventPtr event, int64_t now_ns) {
  opened_by_ = std::move(event);
  fired_ns_ = now_ns;
  due_ns_ = std::min(due_ns_, now_ns + kSoonNs);
}

bool PreloadFileWatch::fired_lately(int64_t now_ns) const {
  return opened_by_ && now_ns - fired_ns_ < kFiredForNs;
}

void PreloadFileWatch::reading(int64_t now_ns) {
  due_ns_ = now_ns + (fired_lately(now_ns) ? kWhileFiredNs : interval_ns_);
}

ExecEventPtr PreloadFileWatch::take(std::vector<EnvVar> entries,
                                    const Clock& clock) {
  const int64_t now_ns = clock.monotonic_ns();
  const bool same = entries == entries_;
  if (same && now_ns - given_ns_ < kGiveAgainNs)
    return nullptr;
  given_ns_ = now_ns;
  entries_ = std::move(entries);
  if (entries_.empty())
    return nullptr;
  ExecEvent event = fired_lately(now_ns) && !same ? *opened_by_ : ExecEvent{};
  event.origin = Origin::kPreloadFile;
  event.capture = Capture::kLate;
  event.time_us = clock.wall_us();
  event.env = entries_;
  return std::make_shared<const ExecEvent>(std::move(event));
}

}  // namespace preload
