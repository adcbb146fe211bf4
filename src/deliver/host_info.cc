// SPDX-License-Identifier: Apache-2.0
#include "preload/deliver/host_info.h"

#include <sys/utsname.h>

#include <fstream>
#include <map>
#include <string_view>

#include "preload/base/clock.h"
#include "preload/base/text.h"
#include "preload/procfs/proc_files.h"

namespace preload {
namespace {

// Empty when it cannot be read.
std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return std::string(trimmed(line));
}

// NAME=value lines; values may be in quotes.
std::map<std::string, std::string, std::less<>> os_release(
    const std::string& path) {
  std::map<std::string, std::string, std::less<>> values;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t equals = line.find('=');
    if (line.empty() || line[0] == '#' || equals == std::string::npos)
      continue;
    std::string value(trimmed(line.substr(equals + 1)));
    const bool quoted = value.size() >= 2 && value.back() == value.front() &&
                        (value[0] == '"' || value[0] == '\'');
    if (quoted)
      value = value.substr(1, value.size() - 2);
    values.emplace(trimmed(line.substr(0, equals)), std::move(value));
  }
  return values;
}

}  // namespace

HostInfo gather_host_info(const std::string& root) {
  HostInfo host;
  utsname names{};
  if (::uname(&names) == 0) {
    host.hostname = std::begin(names.nodename);
    host.architecture = std::begin(names.machine);
    host.kernel = std::begin(names.release);
  }
  host.id = first_line(root + "/etc/machine-id");
  host.boot_id = first_line(root + "/proc/sys/kernel/random/boot_id");
  const auto release = os_release(root + "/etc/os-release");
  const auto get = [&](std::string_view key) {
    const auto found = release.find(key);
    return found == release.end() ? std::string() : found->second;
  };
  host.os_platform = get("ID");
  const std::string like = get("ID_LIKE");
  host.os_family =
      like.empty() ? host.os_platform : like.substr(0, like.find(' '));
  host.os_name = get("NAME");
  host.os_version = get("VERSION_ID");
  host.os_full = get("PRETTY_NAME");
  host.boot_us =
      SystemClock().wall_us() -
      static_cast<int64_t>(now_ticks() * kMicrosPerSecond / ticks_per_second());
  return host;
}

}  // namespace preload
