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
  std::error_code code;  // empty when no system call failed
  std::string context;

  // One line for a log: the context, then the system's reason if there is one.
  [[nodiscard]] std::string message() const {
    return code ? context + ": " + code.message() : context;
  }
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// `return fail("cannot ...")`: an error that no errno explains.
inline tl::unexpected<Error> fail(std::string context) {
  return tl::unexpected<Error>(Error{{}, std::move(context)});
}

// The same with the reason `error`, an errno value.
inline tl::unexpected<Error> fail(std::string context, int error) {
  return tl::unexpected<Error>(
      Error{{error, std::generic_category()}, std::move(context)});
}

}  // namespace preload
