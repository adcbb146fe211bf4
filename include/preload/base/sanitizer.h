// SPDX-License-Identifier: Apache-2.0
// Whether this build runs under a sanitizer, whose own system calls and table
// of descriptors some mechanisms would break.
#pragma once

// gcc tells by __SANITIZE_*, clang by __has_feature.
#ifndef __has_feature
#define __has_feature(feature) 0
#endif

namespace preload {

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
inline constexpr bool kSanitizer = true;
#else
inline constexpr bool kSanitizer = kThreadSanitizer;
#endif

}  // namespace preload
