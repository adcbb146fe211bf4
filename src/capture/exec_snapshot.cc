// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/exec_snapshot.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>

namespace preload {
namespace {

// Documentation/admin-guide/devices.txt
constexpr unsigned kTtyMajor = 4;
constexpr unsigned kFirstSerialMinor = 64;
constexpr unsigned kFirstPtsMajor = 136;
constexpr unsigned kLastPtsMajor = 143;
constexpr unsigned kPtsPerMajor = 256;

constexpr size_t kContainerIdDigits = 64;

}  // namespace

std::string tty_name(int32_t tty_nr) {
  if (tty_nr == 0)
    return "(none)";
  // new_encode_dev() of the kernel is what makedev() undoes for these sizes.
  const auto number = static_cast<uint32_t>(tty_nr);
  const unsigned device_major = (number & 0xfff00U) >> 8;
  const unsigned device_minor = (number & 0xffU) | ((number >> 12) & 0xfff00U);
  if (device_major >= kFirstPtsMajor && device_major <= kLastPtsMajor)
    return fmt::format(
        "pts{}", (device_major - kFirstPtsMajor) * kPtsPerMajor + device_minor);
  if (device_major == kTtyMajor && device_minor >= kFirstSerialMinor)
    return fmt::format("ttyS{}", device_minor - kFirstSerialMinor);
  if (device_major == kTtyMajor)
    return fmt::format("tty{}", device_minor);
  return fmt::format("{}:{}", device_major, device_minor);
}

std::string container_id(std::string_view cgroup) {
  const auto is_digit = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  };
  size_t run = 0;
  for (size_t i = cgroup.size(); i-- > 0;) {
    run = is_digit(cgroup[i]) ? run + 1 : 0;
    const bool bounded = i == 0 || !is_digit(cgroup[i - 1]);
    if (run == kContainerIdDigits && bounded)
      return std::string(cgroup.substr(i, run));
  }
  return {};
}

}  // namespace preload
