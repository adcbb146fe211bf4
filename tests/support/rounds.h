// SPDX-License-Identifier: Apache-2.0
// How often tests repeat a random case.
#pragma once

#include "preload/base/sanitizer.h"

namespace preload {

// A tenth where a sanitizer makes each case ten times as slow: what it looks
// for is in the code, and not in one value of many.
template <class Number>
constexpr Number rounds(Number count) {
  return kSanitizer ? count / 10 : count;
}

}  // namespace preload
