// SPDX-License-Identifier: Apache-2.0
// Datagrams of the process connector, of any length and content.
#include <algorithm>
#include <cstring>
#include <vector>

#include "fuzz.h"
#include "preload/capture/proc_event.h"

namespace preload {
namespace {

// The layout of proc_event.h once more, read byte by byte.
uint64_t number_at(std::string_view datagram, size_t offset, size_t size) {
  uint64_t number = 0;
  std::memcpy(&number, datagram.data() + offset, size);
  return number;
}

}  // namespace

void fuzz_one(std::string_view input) {
  // A copy of its own: a read beyond the datagram is an error.
  const std::vector<char> copy(input.begin(), input.end());
  const auto message = parse_exec_message(bytes_of({copy.data(), copy.size()}));
  const bool is_exec = input.size() >= 60 && number_at(input, 16, 4) == 1 &&
                       number_at(input, 36, 4) == 2;
  if (!is_exec) {
    check(!message, "nothing but exec events");
    return;
  }
  check(message.has_value(), "every exec event");
  check(message->pid == static_cast<int32_t>(number_at(input, 56, 4)),
        "the thread group's id");
  check(message->monotonic_ns == number_at(input, 44, 8), "the time");
}

}  // namespace preload
