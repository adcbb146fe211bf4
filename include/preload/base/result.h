// SPDX-License-Identifier: Apache-2.0
// Expected failure: a value or an Error, returned up and logged once, where
// it is handled.
#pragma once

#include <string>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>

namespace preload {

// `context` says what failed, on what, and what to do about it.
struct Error {
  std::error_code code;  // 0 when no system call failed
  std::string context;

  // One line for a log: the context, then the system's reason if there is one.
  [[nodiscard]] std::string message() const {
    return code ? context + ": " + code.message() : context;
  }
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// `return fail("cannot ...", errno)`; without an errno value when none explains
// the error.
inline tl::unexpected<Error> fail(std::string context, int error = 0) {
  return tl::unexpected<Error>(
      Error{{error, std::generic_category()}, std::move(context)});
}

}  // namespace preload
