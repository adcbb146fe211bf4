// SPDX-License-Identifier: Apache-2.0
#include "preload/correlate/exec_event.h"

#include <array>

namespace preload {
namespace {

// Words of the enumerators, in their order.
constexpr std::array<std::string_view, 3> kCaptures{"exec", "late", "none"};
constexpr std::array<std::string_view, 5> kOrigins{
    "exec", "unaudited", "inventory", "ld.so-option", "ld.so.preload"};
constexpr std::array<std::string_view, 4> kMissReasons{
    "exited", "denied", "replaced", "unreadable"};

}  // namespace

std::string_view to_string(Capture capture) {
  return kCaptures.at(static_cast<size_t>(capture));
}

std::string_view to_string(Origin origin) {
  return kOrigins.at(static_cast<size_t>(origin));
}

std::string_view to_string(MissReason reason) {
  return kMissReasons.at(static_cast<size_t>(reason));
}

size_t weight(std::span<const EnvVar> env, std::span<const std::string> argv) {
  size_t bytes = 0;
  for (const EnvVar& variable : env)
    bytes += sizeof variable + variable.name.size() + variable.value.size();
  for (const std::string& argument : argv)
    bytes += sizeof argument + argument.size();
  return bytes;
}

size_t weight(const ExecEvent& event) {
  size_t bytes = sizeof event + weight(event.env, event.argv);
  for (const std::string* s :
       {&event.executable, &event.comm, &event.cwd, &event.parent_executable,
        &event.user, &event.login_user, &event.tty, &event.key, &event.syscall,
        &event.cgroup, &event.container, &event.audit.node})
    bytes += s->size();
  return bytes;
}

}  // namespace preload
