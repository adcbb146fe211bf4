// SPDX-License-Identifier: Apache-2.0
// What all fuzz targets have in common. Each is one file that defines
// fuzz_one(); tests/fuzz/corpus/NAME has its first inputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

namespace preload {

// Called with any bytes; aborts when a promise of the code does not hold.
void fuzz_one(std::string_view input);

inline void check(bool holds, const char* what) {
  if (holds)
    return;
  (void)std::fputs(what, stderr);
  (void)std::fputs("\n", stderr);
  std::abort();
}

// Takes the first byte off; 0 when there is none.
inline uint8_t take_byte(std::string_view& input) {
  if (input.empty())
    return 0;
  const auto byte = static_cast<uint8_t>(input.front());
  input.remove_prefix(1);
  return byte;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace preload

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  preload::fuzz_one({reinterpret_cast<const char*>(data), size});
  return 0;
}
