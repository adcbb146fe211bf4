// SPDX-License-Identifier: Apache-2.0
// The machine, for the host.* fields of documents.
#pragma once

#include <cstdint>
#include <string>

namespace preload {

// Strings are exact bytes; one that is unknown is empty.
struct HostInfo {
  std::string hostname;
  std::string id;       // /etc/machine-id
  std::string boot_id;  // /proc/sys/kernel/random/boot_id
  std::string architecture;
  std::string kernel;
  // Of /etc/os-release: ID, the first word of ID_LIKE (or ID again), NAME,
  // VERSION_ID, PRETTY_NAME.
  std::string os_platform;
  std::string os_family;
  std::string os_name;
  std::string os_version;
  std::string os_full;
  // Wall clock of the boot, microseconds: /proc/PID/stat counts from there.
  int64_t boot_us = 0;
};

// Asked once, at start. `root` stands before the paths, for tests.
[[nodiscard]] HostInfo gather_host_info(const std::string& root = "");

}  // namespace preload
